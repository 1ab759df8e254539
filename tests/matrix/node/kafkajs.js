// The commands of ../README.md with kafkajs.
'use strict'
const { randomUUID } = require('node:crypto')
const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')
const { run, say, bytes, base64, within } = require('./repl.js')

const kafka = new Kafka({
  brokers: [process.argv[2]],
  clientId: 'matrix',
  logLevel: logLevel.NOTHING,
  retry: { retries: 3, initialRetryTime: 50 },
})
const admin = kafka.admin()
let member

// Headers with the same name come as a list.
function toHeaders(pairs) {
  const headers = {}
  for (const [name, value] of pairs) {
    const data = bytes(value)
    headers[name] = name in headers ? [headers[name], data].flat() : data
  }
  return headers
}

function show(partition, message) {
  const headers = []
  for (const [name, value] of Object.entries(message.headers || {}))
    for (const one of Array.isArray(value) ? value : [value]) headers.push([name, base64(one)])
  return {
    partition, offset: Number(message.offset), timestamp: Number(message.timestamp),
    key: base64(message.key), value: base64(message.value), headers,
  }
}

async function produce({ topic, partition, codec, acks, idempotent, create, records }) {
  const producer = kafka.producer({ allowAutoTopicCreation: Boolean(create), idempotent: Boolean(idempotent) })
  await producer.connect()
  try {
    const messages = records.map((each) => ({
      key: bytes(each.key), value: bytes(each.value), headers: toHeaders(each.headers), partition,
      timestamp: each.timestamp === undefined ? undefined : String(each.timestamp),
    }))
    const compression = CompressionTypes[codec === 'none' ? 'None' : 'GZIP']
    const [answer] = await producer.send({ topic, acks, compression, messages })
    // It tells the offset of a batch's first record.
    const first = answer ? Number(answer.baseOffset) : -1
    return records.map((_, i) => [partition ?? answer.partition, first < 0 ? -1 : first + i])
  } finally {
    await producer.disconnect()
  }
}

async function offsets({ topic, at }) {
  const found = typeof at === 'number' ? await admin.fetchTopicOffsetsByTimestamp(topic, at)
    : await admin.fetchTopicOffsets(topic)
  return Object.fromEntries(found.map((each) => [each.partition, Number(at === 'begin' ? each.low : each.offset)]))
}

// It has no consumer without a group, and a seek is possible only while it runs: what comes before the
// place is passed over.
async function consume({ topic, from, count }) {
  const next = await offsets({ topic, at: from })
  const consumer = kafka.consumer({ groupId: 'reader-' + randomUUID(), maxWaitTimeInMs: 200, allowAutoTopicCreation: false })
  await consumer.connect()
  const records = []
  try {
    await consumer.subscribe({ topic })
    await within(30000, new Promise((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      const eachMessage = async ({ partition, message }) => {
        if (Number(message.offset) < next[partition] || records.length === count) return
        next[partition] = Number(message.offset) + 1
        records.push(show(partition, message))
        if (records.length === count) resolve()
      }
      consumer.run({ autoCommit: false, eachMessage }).then(() => {
        for (const [partition, offset] of Object.entries(next))
          consumer.seek({ topic, partition: Number(partition), offset: String(offset) })
        say({ event: 'ready' })
      }).catch(reject)
    }), () => `only ${records.length} records came`)
  } finally {
    await consumer.disconnect()
  }
  return records
}

async function join({ group, topic }) {
  member = kafka.consumer({
    groupId: group, sessionTimeout: 3000, heartbeatInterval: 200, rebalanceTimeout: 5000, maxWaitTimeInMs: 200,
    metadataMaxAge: 1000, allowAutoTopicCreation: false,
  })
  member.on(member.events.GROUP_JOIN, ({ payload }) =>
    say({ event: 'assigned', partitions: payload.memberAssignment[topic] || [] }))
  await member.connect()
  await member.subscribe({ topic, fromBeginning: true })
  await member.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      say({ event: 'record', ...show(partition, message) })
      await member.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
    },
  })
}

function failed(results) {
  for (const each of results) if (each.errorCode) throw each.error || new Error(`${each.errorMessage} ${each.errorCode}`)
}

const resource = (name) => ({ type: ConfigResourceTypes.TOPIC, name })

async function configs({ topic }) {
  const { resources } = await admin.describeConfigs({ resources: [resource(topic)], includeSynonyms: false })
  return Object.fromEntries(resources[0].configEntries.map((each) => [each.configName, each.configValue]))
}

// Only the old call, which replaces all settings: so it gives those back that were set.
async function alter({ topic, name, value }) {
  const { resources } = await admin.describeConfigs({ resources: [resource(topic)], includeSynonyms: false })
  const set = resources[0].configEntries.filter((each) => each.configSource === 1 && each.configName !== name)
  const configEntries = [...set.map((each) => ({ name: each.configName, value: each.configValue })), { name, value }]
  await admin.alterConfigs({ resources: [{ ...resource(topic), configEntries }] })
}

const commands = {
  produce, consume, offsets, join, configs, alter,
  leave: () => member.disconnect(),
  create: async ({ topic, partitions, configs = {} }) => {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const topics = [{ topic, numPartitions: partitions, configEntries }]
    if (!(await admin.createTopics({ topics }))) throw new Error('the topic exists')
  },
  grow: ({ topic, partitions }) =>
    admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] }).then(() => null),
  drop: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
  topics: () => admin.listTopics(),
  describe: async ({ topic }) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0].partitions.map((each) => each.partitionId).sort((a, b) => a - b)
  },
  delete_records: ({ topic, partition, before }) =>
    admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] }),
  commit: ({ group, topic, offsets }) => admin.setOffsets({
    groupId: group, topic,
    partitions: Object.entries(offsets).map(([partition, offset]) => ({ partition: Number(partition), offset: String(offset) })),
  }),
  committed: async ({ group, topic }) => {
    const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    return Object.fromEntries(found.partitions.map((each) => [each.partition, Number(each.offset)]))
  },
  groups: async () => (await admin.listGroups()).groups.map((each) => each.groupId),
  describe_group: async ({ group }) => {
    const [found] = (await admin.describeGroups([group])).groups
    failed([found])
    return { state: found.state, members: found.members.length }
  },
  delete_group: async ({ group }) => failed(await admin.deleteGroups([group])),
}

admin.connect().then(() => run(commands))
