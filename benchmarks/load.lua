-- What wrk sends, and how it counts. Arguments: kind, number of users, seed, "keys" or "no-keys", a file of users.
--   spend    spends of random users          hot    spends of one user
--   batch    batches of 1,000 spends         read   balances of random users
--   hold     holds of random users, and as many captures of half of what they set aside
-- With keys, every write has an idempotency key of its own. The file says whose an account is: "<account_id> <user>" in
-- each line. Prints one line for the program that started it.

local JSON = { ["Content-Type"] = "application/json" }
local BATCH_SIZE = 1000
local BODIES = 32 -- made ahead, so that making them costs nothing while measuring
local KEY = "@" -- where a key's unique part goes
local ACCEPTED, BUSY = '"status":%s*200%f[%D]', '"code":%s*"busy"'
local PROBLEM = '"code":' -- what only problems have

local users, run, with_keys
local sent = 0
accepted, busy, busy_batches, refusal = 0, 0, 0, "" -- globals, because `done` asks the thread for them

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

local function user()
   return "user_" .. math.random(users)
end

local function wallet(name)
   return "/api/v1/wallets/users/" .. name
end

local function key()
   return with_keys and ',"idempotency_key":"' .. KEY .. '"' or ""
end

local function post(path, members)
   sent = sent + 1
   local unique = key():gsub(KEY, run .. sent)
   return wrk.format("POST", path, JSON, "{" .. members .. unique .. "}")
end

local function spend(name)
   return post(wallet(name) .. "/spend", '"amount":"0.01","asset_type_id":1')
end

local names = {} -- by account id
local to_capture = {} -- paths of holds

local function hold_or_capture()
   local path = table.remove(to_capture)
   if path then
      return post(path .. "/capture", '"amount":"0.01"')
   end
   return post(wallet(user()) .. "/holds", '"amount":"0.02","asset_type_id":1')
end

local function count_captures(status, _, body)
   if status == 201 then
      local name = names[body:match('"account_id":%s*(%d+)')]
      table.insert(to_capture, wallet(name) .. "/holds/" .. body:match('"hold_id":%s*"([^"]+)"'))
   elseif status == 200 then
      accepted = accepted + 1
   end
end

local function batch_body()
   local operations = {}
   for number = 1, BATCH_SIZE do
      operations[number] = '{"type":"spend","external_user_id":"' .. user()
         .. '","amount":"0.01","asset_type_id":1' .. key():gsub(KEY, KEY .. number) .. "}"
   end
   return '{"operations":[' .. table.concat(operations, ",") .. "]}"
end

local bodies = {}

local function batch()
   sent = sent + 1
   local body = bodies[sent % BODIES + 1]
   if with_keys then
      body = body:gsub(KEY, run .. sent .. "-")
   end
   return wrk.format("POST", "/api/v1/batch", JSON, body)
end

local function occurrences(text, pattern)
   local count = 0
   for _ in text:gmatch(pattern) do
      count = count + 1
   end
   return count
end

local function count_operations(status, _, body)
   if status == 200 and not body:find(PROBLEM, 1, true) then
      accepted = accepted + BATCH_SIZE -- looking at each result takes the machine longer than some of its work
      return
   end
   local now_accepted, now_busy = occurrences(body, ACCEPTED), occurrences(body, BUSY)
   if status == 503 and now_busy == 1 then
      now_busy = BATCH_SIZE -- refused as a whole
      busy_batches = busy_batches + 1
   end
   accepted, busy = accepted + now_accepted, busy + now_busy
   if now_accepted + now_busy < BATCH_SIZE and refusal == "" then
      refusal = body:sub(1, 400)
   end
end

local requests = {
   spend = function() return spend(user()) end,
   hot = function() return spend("user_1") end,
   batch = batch,
   hold = hold_or_capture,
   read = function() return wrk.format("GET", wallet(user()) .. "/balance?asset_type_id=1") end,
}

function init(arguments)
   local kind, seed = arguments[1], arguments[3]
   users, run, with_keys = tonumber(arguments[2]), seed .. "-", arguments[4] == "keys"
   math.randomseed(tonumber(seed))
   if kind == "batch" then
      for number = 1, BODIES do
         bodies[number] = batch_body()
      end
      response = count_operations
   elseif kind == "hold" then
      for line in io.lines(arguments[5]) do
         local account_id, name = line:match("(%d+) (.+)")
         names[account_id] = name
      end
      response = count_captures
   end
   request = requests[kind]
end

function done(summary, latency)
   local all_accepted, all_busy, all_busy_batches = 0, 0, 0
   for _, thread in ipairs(threads) do
      all_accepted, all_busy = all_accepted + thread:get("accepted"), all_busy + thread:get("busy")
      all_busy_batches = all_busy_batches + thread:get("busy_batches")
      if thread:get("refusal") ~= "" then
         io.write("refused ", thread:get("refusal"):gsub("%s+", " "), "\n")
      end
   end
   local errors = summary.errors
   local format = 'measured {"requests": %d, "accepted": %d, "busy": %d, "microseconds": %d, "p50": %d, "p99": %d, '
      .. '"status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n'
   io.write(format:format(
      summary.requests, all_accepted, all_busy, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.status - all_busy_batches, errors.connect, errors.read, errors.write, errors.timeout
   ))
end
