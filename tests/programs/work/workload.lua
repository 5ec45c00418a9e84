-- Prints only what does not depend on addresses or on the order of tables.
local seed = 42
local function rnd(n)
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 12) % n + 1
end

local function crc(text)
    local a, b = 1, 0
    for i = 1, #text do
        a = (a + text:byte(i)) % 65521
        b = (b + a) % 65521
    end
    return b << 16 | a
end

local function tree(depth)
    if depth == 0 then return {} end
    return { tree(depth - 1), tree(depth - 1) }
end
local function count(node)
    return node[1] and 1 + count(node[1]) + count(node[2]) or 1
end

for _, mode in ipairs { "incremental", "generational" } do
    collectgarbage(mode)
    print(mode, count(tree(15)))
    local live, sum = {}, 0
    for i = 1, 60000 do
        local key, kind = rnd(400), rnd(4)
        if kind == 1 then
            live[key] = string.rep(string.char(64 + i % 32), rnd(3000))
        elseif kind == 2 then
            live[key] = table.pack(table.unpack({ i, i + 1, i + 2, i + 3 }, 1, rnd(4)))
        elseif kind == 3 then
            live[key] = function() return i end
        else
            local old = live[key]
            if type(old) == "string" then sum = sum + crc(old:sub(1, 50)) end
            if type(old) == "table" then sum = sum + old.n end
            if type(old) == "function" then sum = sum + old() end
            live[key] = nil
        end
    end
    print("mixed", sum % 1000003)
end

local threads, total = {}, 0
for i = 1, 2000 do
    threads[i] = coroutine.wrap(function()
        local s = ""
        for j = 1, 20 do
            s = s .. i .. "," .. j .. ";"
            coroutine.yield(#s)
        end
        return #s
    end)
end
for _ = 1, 21 do
    for i = 1, 2000 do total = total + threads[i]() end
end
print("coroutines", total)

local parts = {}
for i = 1, 100000 do parts[i] = tostring(rnd(1000000)) end
table.sort(parts)
local text = table.concat(parts, " ")
print("sorted", #text, crc(text))
print("gsub", (select(2, text:gsub("(%d)(%d+)", "%2%1"))))
print("format", crc(string.format("%s|%q|%10.3f", text:sub(1, 5000), text:sub(1, 5000), 1 / 3)))
print(pcall(error, { code = 7 }) == false, select("#", table.unpack(parts, 1, 200)))
print("too deep", (pcall(function() local function f() return 1 + f() end return f() end)))
print("too big", (pcall(string.rep, "x", 1 << 46)))
