-- Lua: tables, closures and strings. The interpreter asks realloc for every object and frees by its collector.
local turns = math.max(1, math.floor(28 * tonumber(arg[1])))
local state = 12345
local function chance(n)
  state = (state * 1103515245 + 12345) % 2147483648
  return (state // 65536) % n
end

local checksum, kept = 0, {}
for turn = 1, turns do
  local list, by_name = {}, {}
  for i = 1, 20000 do
    local name = "n" .. chance(2000)
    local point = {x = i, y = chance(100), name = name}
    list[#list + 1] = point
    by_name[name] = by_name[name] or {}
    by_name[name][#by_name[name] + 1] = function() return point.y end
  end
  table.sort(list, function(a, b) if a.y ~= b.y then return a.y < b.y end return a.x < b.x end)
  local parts = {}
  for i = 1, #list, 7 do parts[#parts + 1] = list[i].name .. ":" .. list[i].y end
  local text = table.concat(parts, " ")
  for _, fs in pairs(by_name) do for _, f in ipairs(fs) do checksum = checksum + f() end end
  checksum = (checksum + #text) % 1000000007
  kept[turn % 3] = by_name
end
print(checksum)
