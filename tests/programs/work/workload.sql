PRAGMA threads = 2;
PRAGMA cache_size = 500;
PRAGMA temp_store = memory;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, tags TEXT, body BLOB);
CREATE TABLE sale (id INTEGER PRIMARY KEY, item INTEGER REFERENCES item, day INTEGER, amount INTEGER);
WITH RECURSIVE n (i, r) AS (SELECT 1, 7 UNION ALL SELECT i + 1, (r * 1103515245 + 12345) & 2147483647 FROM n WHERE i < 20000)
INSERT INTO item SELECT i, 'name' || (r % 5000), (r % 10000) / 100.0, json_array(r % 10, r % 20, 'tag' || (r % 30)), zeroblob(r % 300) FROM n;
WITH RECURSIVE n (i, r) AS (SELECT 1, 9 UNION ALL SELECT i + 1, (r * 1103515245 + 12345) & 2147483647 FROM n WHERE i < 60000)
INSERT INTO sale SELECT i, r % 20000 + 1, r / 7 % 365, r / 11 % 9 + 1 FROM n;
CREATE INDEX sale_by_item ON sale (item, day);
CREATE INDEX item_by_name ON item (name, price DESC);
CREATE UNIQUE INDEX sale_cover ON sale (day, amount, id);
ANALYZE;
SELECT count(*), round(sum(price), 2), min(name), max(name) FROM item;
SELECT day, sum(amount), count(DISTINCT item) FROM sale GROUP BY day ORDER BY 2 DESC, 1 LIMIT 5;
SELECT i.name, round(sum(s.amount * i.price), 2) AS worth FROM sale s JOIN item i ON i.id = s.item
 GROUP BY i.name ORDER BY worth DESC, i.name LIMIT 10;
SELECT id, name, rank() OVER (PARTITION BY name ORDER BY price DESC, id), lag(price, 1, 0) OVER (ORDER BY id)
  FROM item ORDER BY name, id LIMIT 8;
SELECT value, count(*) FROM item, json_each(item.tags) GROUP BY value ORDER BY 2 DESC, 1 LIMIT 5;
SELECT sum(length(x)) FROM (SELECT group_concat(name || id, ',') AS x FROM item GROUP BY id % 100);
SELECT sum(length(body)), hex(substr(body, 1, 4)) FROM item WHERE id < 100 GROUP BY 2;
CREATE VIRTUAL TABLE text USING fts5 (body);
INSERT INTO text SELECT name || ' ' || tags || ' ' || replace(hex(zeroblob(20)), '0', char(97 + id % 26)) FROM item;
SELECT count(*) FROM text WHERE text MATCH 'name1* AND tag3';
SELECT rowid, snippet(text, 0, '<', '>', '..', 3) FROM text WHERE text MATCH 'tag17 NOT name2*' ORDER BY rank, rowid LIMIT 3;
BEGIN;
UPDATE item SET price = price * 1.1, tags = json_set(tags, '$[0]', id) WHERE id % 3 = 0;
DELETE FROM sale WHERE amount = 5;
SAVEPOINT inner;
DELETE FROM item;
SELECT count(*) FROM item;
ROLLBACK TO inner;
COMMIT;
SELECT count(*), total(amount) FROM sale;
SELECT round(sum(price), 2), sum(length(tags)) FROM item;
CREATE TRIGGER log AFTER DELETE ON sale BEGIN UPDATE item SET price = price - 1 WHERE id = old.item; END;
DELETE FROM sale WHERE day < 20;
SELECT round(sum(price), 2) FROM item;
SELECT x FROM (SELECT printf('%.3f|%08d|%s', price, id, quote(name)) AS x FROM item ORDER BY x) LIMIT 3;
PRAGMA integrity_check;
