-- What wrk sends, and how it counts. Arguments: kind, number of users, seed, "keys" or "no-keys".
--   spend    spends of random users          hot    spends of one user
--   batch    batches of 1,000 spends         read   balances of random users
-- With keys, every spend has an idempotency key of its own. Prints one line for the program that started it.

local JSON = { ["Content-Type"] = "application/json" }
local BATCH_SIZE = 1000
local BODIES = 32 -- made ahead, so that making them costs nothing while measuring
local KEY = "@" -- where a key's unique part goes
local ACCEPTED = '"status":200'

local users, run, with_keys
local sent = 0
accepted = 0 -- a global, because `done` asks the thread for it
refusal = ""

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

local function spend(name)
   sent = sent + 1
   local unique = key():gsub(KEY, run .. sent)
   local body = '{"amount":"0.01","asset_type_id":1' .. unique .. "}"
   return wrk.format("POST", wallet(name) .. "/spend", JSON, body)
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

local function occurrences(text, wanted)
   local count, from = 0, 1
   while true do
      local first, last = text:find(wanted, from, true)
      if not first then
         return count
      end
      count, from = count + 1, last + 1
   end
end

local function count_accepted(_, _, body)
   local now = occurrences(body, ACCEPTED)
   accepted = accepted + now
   if now < BATCH_SIZE and refusal == "" then
      refusal = body:sub(1, 400)
   end
end

local requests = {
   spend = function() return spend(user()) end,
   hot = function() return spend("user_1") end,
   batch = batch,
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
      response = count_accepted
   end
   request = requests[kind]
end

function done(summary, latency)
   local operations = 0
   for _, thread in ipairs(threads) do
      operations = operations + thread:get("accepted")
      if thread:get("refusal") ~= "" then
         io.write("refused ", thread:get("refusal"):gsub("%s+", " "), "\n")
      end
   end
   local errors = summary.errors
   local format = 'measured {"requests": %d, "accepted": %d, "microseconds": %d, "p50": %d, "p99": %d, '
      .. '"status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n'
   io.write(format:format(
      summary.requests, operations, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.status, errors.connect, errors.read, errors.write, errors.timeout
   ))
end
