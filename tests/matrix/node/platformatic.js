// The commands of ../README.md with @platformatic/kafka.
'use strict'
const { randomUUID } = require('node:crypto')
const { Admin, Consumer, Producer, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } = require('@platformatic/kafka')
const { run, say, bytes, base64, within } = require('./repl.js')

const base = { clientId: 'matrix', bootstrapBrokers: [process.argv[2]], retries: 3, retryDelay: 50 }
const admin = new Admin(base)
let member, stream

function show(message) {
  const headers = [...message.headers].map(([name, value]) => [name.toString(), base64(value)])
  return {
    partition: message.partition, offset: Number(message.offset), timestamp: Number(message.timestamp),
    key: base64(message.key), value: base64(message.value), headers,
  }
}

async function produce({ topic, partition, codec, acks, idempotent, create, records }) {
  const producer = new Producer({ ...base, autocreateTopics: Boolean(create) })
  try {
    const messages = records.map((each) => ({
      topic, partition, key: bytes(each.key), value: bytes(each.value),
      headers: new Map(each.headers.map(([name, value]) => [Buffer.from(name), bytes(value)])),
      timestamp: each.timestamp === undefined ? undefined : BigInt(each.timestamp),
    }))
    const { offsets } = await producer.send({ messages, acks, compression: codec, idempotent: Boolean(idempotent) })
    // It tells the offset of a batch's first record.
    const first = acks === 0 ? -1 : Number(offsets[0].offset)
    return records.map((_, i) => [partition ?? offsets[0].partition, first < 0 ? -1 : first + i])
  } finally {
    await producer.close()
  }
}

async function partitions(topic) {
  const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
  return topics.get(topic).partitions.map((_, i) => i)
}

async function offsets({ topic, at }) {
  const timestamp = BigInt(typeof at === 'number' ? at : at === 'begin' ? -2 : -1)
  const asked = (await partitions(topic)).map((partitionIndex) => ({ partitionIndex, timestamp }))
  const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: asked }] })
  return Object.fromEntries(found.partitions.map((each) => [each.partitionIndex, Number(each.offset)]))
}

async function consume({ topic, from, count }) {
  const places = Object.entries(await offsets({ topic, at: from }))
  const consumer = new Consumer({ ...base, groupId: 'reader-' + randomUUID(), maxWaitTime: 200, autocommit: false })
  const reader = await consumer.consume({
    topics: [topic], mode: 'manual',
    offsets: places.map(([partition, offset]) => ({ topic, partition: Number(partition), offset: BigInt(offset) })),
  })
  say({ event: 'ready' })
  const records = []
  try {
    await within(30000, (async () => {
      for await (const message of reader) {
        records.push(show(message))
        if (records.length === count) return
      }
    })(), () => `only ${records.length} records came`)
  } finally {
    await consumer.close(true)
  }
  return records
}

async function join({ group, topic }) {
  member = new Consumer({
    ...base, groupId: group, sessionTimeout: 3000, heartbeatInterval: 200, rebalanceTimeout: 5000, maxWaitTime: 200,
    autocommit: false, metadataMaxAge: 1000,
  })
  member.on('consumer:group:join', ({ assignments }) =>
    say({ event: 'assigned', partitions: (assignments.find((each) => each.topic === topic) || { partitions: [] }).partitions }))
  member.on('consumer:heartbeat:error', ({ error }) => console.error(error))
  stream = await member.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
  stream.on('error', (error) => console.error(error))
  stream.on('data', async (message) => {
    say({ event: 'record', ...show(message) })
    try {
      await message.commit()
    } catch (error) {
      console.error('commit', error) // by whoever reads it again
    }
  })
}

const topicResource = (name) => ({ resourceType: ConfigResourceTypes.TOPIC, resourceName: name })

const commands = {
  produce, consume, offsets, join,
  leave: async () => {
    await stream.close()
    await member.close(true)
  },
  create: async ({ topic, partitions, configs = {} }) => {
    const list = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: list })
  },
  grow: ({ topic, partitions }) => admin.createPartitions({ topics: [{ name: topic, count: partitions, assignments: null }] }),
  drop: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
  topics: () => admin.listTopics(),
  describe: ({ topic }) => partitions(topic),
  configs: async ({ topic }) => {
    const [found] = await admin.describeConfigs({ resources: [topicResource(topic)] })
    return Object.fromEntries(found.configs.map((each) => [each.name, each.value]))
  },
  alter: ({ topic, name, value }) => admin.incrementalAlterConfigs({
    resources: [{ ...topicResource(topic), configs: [{ name, value, configOperation: IncrementalAlterConfigOperationTypes.SET }] }],
  }),
  delete_records: async ({ topic, partition, before }) => {
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition, offset: BigInt(before) }] }] })
  },
  commit: ({ group, topic, offsets }) => admin.alterConsumerGroupOffsets({
    groupId: group,
    topics: [{
      name: topic,
      partitionOffsets: Object.entries(offsets).map(([partition, offset]) => ({ partition: Number(partition), offset: BigInt(offset) })),
    }],
  }),
  committed: async ({ group, topic }) => {
    const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
    const { partitions } = found.topics.find((each) => each.name === topic)
    return Object.fromEntries(partitions.map((each) => [each.partitionIndex, Number(each.committedOffset)]))
  },
  groups: async () => [...(await admin.listGroups()).keys()],
  describe_group: async ({ group }) => {
    const found = (await admin.describeGroups({ groups: [group] })).get(group)
    const state = found.state.toLowerCase().replace(/(^|_)(.)/g, (_, between, letter) => letter.toUpperCase())
    return { state, members: found.members.size }
  },
  delete_group: ({ group }) => admin.deleteGroups({ groups: [group] }),
}

run(commands)
