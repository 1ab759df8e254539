// The commands of ../README.md with @confluentinc/kafka-javascript: librdkafka's own calls, not the
// imitation of kafkajs that it has, too.
'use strict'
const { promisify } = require('node:util')
const { randomUUID } = require('node:crypto')
const Kafka = require('@confluentinc/kafka-javascript')
const { run, say, bytes, base64, within } = require('./repl.js')

const base = { 'bootstrap.servers': process.argv[2], 'client.id': 'matrix', 'allow.auto.create.topics': false }
const admin = Kafka.AdminClient.create(base)
const ask = (name, ...words) => promisify(admin[name]).call(admin, ...words)
const STATES = ['Unknown', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead', 'Empty']
let member, polling
let leaving = false

function open(client) {
  return new Promise((resolve, reject) => {
    client.connect({ timeout: 10000 }, (error) => (error ? reject(error) : resolve(client)))
  })
}

function close(client) {
  return new Promise((resolve) => client.disconnect(() => resolve()))
}

function show(message) {
  const headers = (message.headers || []).flatMap((each) => Object.entries(each).map(([name, value]) => [name, base64(value)]))
  return {
    partition: message.partition, offset: message.offset, timestamp: message.timestamp,
    key: base64(message.key), value: base64(message.value), headers,
  }
}

async function produce({ topic, partition, codec, acks, idempotent, records }) {
  const producer = await open(new Kafka.Producer({
    ...base, acks, 'compression.type': codec, 'enable.idempotence': Boolean(idempotent), dr_cb: true, 'linger.ms': 5,
    'message.max.bytes': 1000000, 'topic.metadata.propagation.max.ms': 3000,
  }))
  const places = new Array(records.length)
  let left = records.length
  try {
    await within(30000, new Promise((resolve, reject) => {
      producer.on('delivery-report', (error, report) => {
        if (error) return reject(error)
        places[report.opaque] = [report.partition, report.offset]
        if (--left === 0) resolve()
      })
      producer.setPollInterval(10)
      records.forEach((each, i) => {
        const headers = each.headers.map(([name, value]) => ({ [name]: bytes(value) }))
        producer.produce(topic, partition ?? -1, bytes(each.value), bytes(each.key), each.timestamp, i, headers)
      })
    }), () => `${left} records were not delivered`)
  } finally {
    await close(producer)
  }
  return places
}

async function partitions(topic) {
  const [found] = await ask('describeTopics', [topic], { timeout: 10000 })
  if (found.error) throw found.error
  return found.partitions.map((each) => each.partition).sort((a, b) => a - b)
}

async function offsets({ topic, at }) {
  const spec = typeof at === 'number' ? { timestamp: at } : { timestamp: at === 'begin' ? -2 : -1 }
  const asked = (await partitions(topic)).map((partition) => ({ topic, partition, offset: spec }))
  const found = await ask('listOffsets', asked, { timeout: 10000 })
  return Object.fromEntries(found.map((each) => [each.partition, each.offset]))
}

async function consume({ topic, from, count }) {
  const places = await offsets({ topic, at: from })
  const consumer = await open(new Kafka.KafkaConsumer({
    ...base, 'group.id': 'reader-' + randomUUID(), 'enable.auto.commit': false, 'fetch.wait.max.ms': 200,
  }))
  const records = []
  try {
    consumer.assign(Object.entries(places).map(([partition, offset]) => ({ topic, partition: Number(partition), offset })))
    say({ event: 'ready' })
    consumer.setDefaultConsumeTimeout(200)
    const more = promisify(consumer.consume).bind(consumer)
    const late = Date.now() + 30000
    while (records.length < count) {
      if (Date.now() > late) throw new Error(`only ${records.length} records came`)
      records.push(...(await more(count - records.length)).map(show))
    }
  } finally {
    await close(consumer)
  }
  return records
}

async function join({ group, topic }) {
  member = await open(new Kafka.KafkaConsumer({
    ...base, 'group.id': group, 'session.timeout.ms': 3000, 'heartbeat.interval.ms': 200, 'enable.auto.commit': false,
    'auto.offset.reset': 'earliest', 'fetch.wait.max.ms': 200, rebalance_cb: true,
  }))
  member.on('rebalance', (event, held) => {
    if (event.code === Kafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS)
      say({ event: 'assigned', partitions: held.map((each) => each.partition) })
  })
  member.subscribe([topic])
  member.setDefaultConsumeTimeout(100)
  polling = poll(member)
}

async function poll(consumer) {
  const more = promisify(consumer.consume).bind(consumer)
  while (!leaving) {
    for (const message of await more(100)) {
      say({ event: 'record', ...show(message) })
      try {
        consumer.commitMessageSync(message)
      } catch (error) {
        console.error('commit', error) // by whoever reads it again
      }
    }
  }
  await close(consumer)
}

function failed(results) {
  for (const each of results) if (each.error) throw each.error
  return results
}

const commands = {
  produce, consume, offsets, join,
  leave: () => {
    leaving = true
    return polling
  },
  create: ({ topic, partitions, configs }) =>
    ask('createTopic', { topic, num_partitions: partitions, replication_factor: 1, config: configs || {} }),
  grow: ({ topic, partitions }) => ask('createPartitions', topic, partitions),
  drop: ({ topic }) => ask('deleteTopic', topic),
  topics: () => ask('listTopics', { timeout: 10000 }),
  describe: ({ topic }) => partitions(topic),
  delete_records: async ({ topic, partition, before }) => {
    failed(await ask('deleteRecords', [{ topic, partition, offset: before }], { timeout: 10000 }))
  },
  commit: async ({ group, topic, offsets }) => {
    const consumer = await open(new Kafka.KafkaConsumer({ ...base, 'group.id': group, 'enable.auto.commit': false }))
    consumer.commitSync(Object.entries(offsets).map(([partition, offset]) => ({ topic, partition: Number(partition), offset })))
    await close(consumer)
  },
  committed: async ({ group, topic }) => {
    const [found] = failed(await ask('listConsumerGroupOffsets', [{ groupId: group }], { timeout: 10000 }))
    const mine = found.partitions.filter((each) => each.topic === topic)
    return Object.fromEntries(mine.map((each) => [each.partition, each.offset]))
  },
  groups: async () => (await ask('listGroups', { timeout: 10000 })).groups.map((each) => each.groupId),
  describe_group: async ({ group }) => {
    const [found] = failed((await ask('describeGroups', [group], { timeout: 10000 })).groups)
    return { state: STATES[found.state], members: found.members.length }
  },
  delete_group: async ({ group }) => {
    failed(await ask('deleteGroups', [group], { timeout: 10000 }))
  },
}

run(commands)
