import { RunInstancesCommand, StartInstancesCommand, StopInstancesCommand } from '@aws-sdk/client-ec2'
import { PutParameterCommand } from '@aws-sdk/client-ssm'
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createLog } from '../log.js'
import { Generations } from '../services/generations.js'
import { FIRST_GUESS_SECONDS, Gpu } from '../services/gpu.js'
import { emulateAws } from './support.js'

const BOOT = '/sd-app/test/machines/ml-server/boot'
const AWAY = { stats: async () => Promise.reject(new Error('asleep')) }
const THERE = { stats: async () => ({ system: { comfyui_version: '0.39.2' } }) }

describe('the GPU', () => {
  let aws, id, starts, fail
  before(async () => {
    aws = await emulateAws()
    const TagSpecifications = [
      { ResourceType: 'instance', Tags: [{ Key: 'Stack', Value: 'test' }, { Key: 'Role', Value: 'ml-server' }] },
    ]
    const { Instances } = await aws.clients.ec2.send(
      new RunInstancesCommand({ ImageId: 'ami-12345678', MinCount: 1, MaxCount: 1, TagSpecifications }),
    )
    id = Instances[0].InstanceId
  })
  after(() => aws?.stop())
  beforeEach(async () => {
    starts = 0
    fail = undefined
    await aws.clients.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    await generations().deleteNote('gpu')
  })

  const generations = () => new Generations(aws.clients, { table: 'generations' })
  /** A process's own view: nothing is kept from another one's. */
  function gpu({ comfy = AWAY, wakeMinutes = 15, stack = 'test' } = {}) {
    const ec2 = {
      send: async (command) => {
        if (command instanceof StartInstancesCommand) {
          starts++
          if (fail) throw fail
        }
        return aws.clients.ec2.send(command)
      },
    }
    const comfyUi = { text: comfy, sketch: comfy }
    const config = { stack, mlServerBootParameter: BOOT, limits: { wakeMinutes } }
    return new Gpu({ ec2, ssm: aws.clients.ssm }, config, { generations: generations(), comfyUi, log: createLog('silent') })
  }

  it('that sleeps is told as asleep, with a guess of how long waking takes', async () => {
    const { state, etaSeconds, measured } = await gpu().status()
    assert.deepEqual({ state, etaSeconds, measured }, { state: 'asleep', etaSeconds: FIRST_GUESS_SECONDS, measured: false })
  })

  it('is asked to start once, by whichever process is first', async () => {
    const said = [await gpu().wake(), await gpu().wake(), await gpu().wake()]
    assert.equal(starts, 1)
    assert.equal(said[0], 'asked')
    assert.equal((await gpu().status()).state, 'waking')
  })

  it('that was stopped again is not asked to start over and over', async () => {
    await gpu().wake()
    await aws.clients.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    assert.equal(await gpu().wake(), 'asked before')
    assert.equal(starts, 1)
    await generations().setNote('gpu', { wakeUntil: new Date(Date.now() - 1000).toISOString() })
    assert.equal(await gpu().wake(), 'asked', 'and once more when the limit has passed')
  })

  it('that is stopping is waited for, and asked to start once it has stopped', async () => {
    const states = ['stopping', 'stopping', 'stopped']
    const ec2 = {
      send: async (command) => {
        if (!(command instanceof StartInstancesCommand)) {
          return { Reservations: [{ Instances: [{ InstanceId: id, State: { Name: states.shift() } }] }] }
        }
        return void starts++
      },
    }
    const parts = { generations: generations(), comfyUi: { text: AWAY, sketch: AWAY }, log: createLog('silent') }
    const look = () => new Gpu({ ec2 }, { stack: 'test', limits: { wakeMinutes: 15 } }, parts).wake()
    assert.deepEqual([await look(), await look(), starts], ['stopping', 'stopping', 0])
    assert.deepEqual([await look(), starts], ['asked', 1])
  })

  it('teaches by each start how long the next one takes', async () => {
    for (const seconds of [40, 60, 200]) {
      const began = new Date(Date.now() - seconds * 1000).toISOString()
      await generations().setNote('gpu', { wakeStartedAt: began })
      await gpu().awake()
    }
    await gpu().awake() // a second worker's word changes nothing
    const { etaSeconds, measured } = await gpu().status()
    assert.deepEqual({ etaSeconds, measured }, { etaSeconds: 60, measured: true }, 'the median')
    assert.deepEqual((await generations().note('gpu')).startsSeconds, [40, 60, 200])
  })

  it('counts down while it wakes', async () => {
    await generations().setNote('gpu', { startsSeconds: [100], wakeStartedAt: new Date(Date.now() - 30_000).toISOString() })
    const { state, etaSeconds } = await gpu().status()
    assert.equal(state, 'waking')
    assert.ok(Math.abs(etaSeconds - 70) <= 1, `${etaSeconds} s`)
  })

  it('tells what it does while it wakes, and what it failed at', async () => {
    const record = async (fields) => {
      const Value = JSON.stringify({ instanceId: id, startedAt: new Date(Date.now() + 1000).toISOString(), ...fields })
      await aws.clients.ssm.send(new PutParameterCommand({ Name: BOOT, Value, Type: 'String', Overwrite: true }))
    }
    await gpu().wake()
    const told = async () => {
      const { stage, problem } = await gpu().status()
      return { stage, problem }
    }
    await record({ state: 'running', stage: 'models' })
    assert.deepEqual(await told(), { stage: 'models', problem: undefined })
    await record({ state: 'failed', stage: 'code', message: 'secret words of a log' })
    assert.deepEqual(await told(), { stage: 'code', problem: 'its boot failed at code' })
    await record({ state: 'running', stage: 'models', startedAt: '2026-01-01T00:00:00Z' })
    assert.deepEqual(await told(), { stage: undefined, problem: undefined }, 'of the boot before')
    await record({ state: 'running', stage: 'models', instanceId: 'i-another' })
    assert.deepEqual(await told(), { stage: undefined, problem: undefined })
  })

  it('for which AWS has no capacity is told so, and asked again after a minute', async () => {
    fail = Object.assign(new Error('none left'), { name: 'InsufficientInstanceCapacity' })
    assert.equal(await gpu().wake(), 'refused')
    const status = await gpu().status()
    assert.equal(status.state, 'asleep')
    assert.match(status.problem, /InsufficientInstanceCapacity/)
    assert.equal(await gpu().wake(), 'asked before')
    const { wakeUntil } = await generations().note('gpu')
    assert.ok(Date.parse(wakeUntil) - Date.now() <= 60_000)
  })

  it('whose ComfyUI answers is ready, whatever EC2 says', async () => {
    assert.deepEqual(await gpu({ comfy: THERE }).status(), { state: 'ready', comfyUi: { text: '0.39.2', sketch: '0.39.2' } })
  })

  it("is another stack's to wake when its tag says so", async () => {
    const other = gpu({ stack: 'prod' })
    assert.equal(await other.wake(), 'unknown')
    assert.equal((await other.status()).state, 'unreachable')
    assert.equal(starts, 0)
  })
})
