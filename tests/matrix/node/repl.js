// A JSON command a line in, a JSON answer a line out; see ../README.md.
'use strict'
const readline = require('node:readline')

// Results may hold BigInts and Maps, which JSON does not know.
function plain(name, value) {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Map) return Object.fromEntries(value)
  return value
}

function say(line) {
  process.stdout.write(JSON.stringify(line, plain) + '\n')
}

// Some clients wrap what the broker said, more than once.
function text(error) {
  const parts = [`${error.name} ${error.type || ''} ${error.apiId || ''} ${error.message}`]
  for (const inner of [error.cause, ...(error.errors || [])]) if (inner) parts.push(text(inner))
  return parts.join('; ')
}

async function run(commands) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    try {
      const answer = await commands[command.do](command)
      say({ ok: answer === undefined ? null : answer })
    } catch (error) {
      console.error(command.do, error)
      say({ error: text(error) })
    }
  }
  process.exit(0)
}

const bytes = (field) => (field === null || field === undefined ? null : Buffer.from(field, 'base64'))
const base64 = (data) => (data === null || data === undefined ? null : Buffer.from(data).toString('base64'))

// Ends the wait for records that never come.
function within(milliseconds, promise, what) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(what())), milliseconds).unref())
  return Promise.race([promise, late])
}

module.exports = { run, say, bytes, base64, within }
