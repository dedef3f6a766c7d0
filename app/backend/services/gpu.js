/**
 * The graphics machine: whether it sleeps, and waking it. Found by its tags (docs/decisions/0009), not by its id.
 *
 * How far it is when it wakes, it says itself (cloud_init/machine.sh: `record`). What is learned stands in the item `gpu`: {wakeStartedAt, wakeUntil, lastError, startsSeconds: [newest last]}.
 */
import { KINDS } from '../contract.js'
import { cached } from './cached.js'

const NOTE = 'gpu'
const LOOK_MS = 2000
const PROBE_MS = 1500
const KEPT_STARTS = 10
export const FIRST_GUESS_SECONDS = 150
// No start was seen yet: about what a stopped machine takes (docs/architecture), told as a guess (`measured: false`).
const LAUNCH_SECONDS = 900
const REFUSED_PAUSE_MS = 60_000
// EC2 had no capacity, or said no: so long until the next try.

export class Gpu {
  /** @param {{generations: import('./generations.js').Generations, comfyUi: Record<string, import('./comfyui.js').ComfyUi>}} parts */
  constructor({ ec2, ssm }, { stack, limits, mlServerBootParameter }, { generations, comfyUi, log }) {
    Object.assign(this, { ec2, ssm, bootParameter: mlServerBootParameter, stack, wakeMs: limits.wakeMinutes * 60_000, generations, comfyUi, log })
    this.machine = cached(LOOK_MS, () => this.#find())
    this.offers = Object.fromEntries(KINDS.map((kind) => [kind, cached(LOOK_MS, () => this.#probe(kind))]))
    this.boot = cached(LOOK_MS, () => this.#boot())
    this.note = cached(LOOK_MS, () => this.generations.note(NOTE))
  }

  /** {state: asleep|stopping|waking|ready|unreachable, etaSeconds?, measured?, stage?, problem?, comfyUi: {kind: version|null}} */
  async status() {
    const versions = Object.fromEntries(await Promise.all(KINDS.map(async (kind) => [kind, await this.offers[kind]()])))
    if (Object.values(versions).every(Boolean)) return { state: 'ready', comfyUi: versions }
    const machine = await this.machine().catch(() => null)
    const state = stateOf(machine)
    if (state !== 'waking' && state !== 'asleep') return { state, comfyUi: versions }
    const asked = state === 'waking' ? [this.note, this.boot] : [this.note]
    const [note, boot] = await Promise.all(asked.map((look) => look().catch(() => null)))
    const known = note?.startsSeconds ?? []
    const passed = secondsSince(note?.wakeStartedAt ?? (state === 'waking' ? machine.launchedAt : undefined))
    const expected = known.length > 0 ? median(known) : FIRST_GUESS_SECONDS
    return {
      state: note?.wakeStartedAt ? 'waking' : state,
      etaSeconds: Math.max(5, Math.round(expected - passed)),
      measured: known.length > 0,
      ...(state === 'waking' ? toldBy(boot, machine) : {}),
      ...(note?.lastError && state === 'asleep' ? { problem: note.lastError } : {}),
      comfyUi: versions,
    }
  }

  /** Ask EC2 to start the machine if it sleeps, and nobody else has just done so. Returns what was done, in a word. */
  async wake() {
    const machine = await this.machine()
    if (stateOf(machine) !== 'asleep') return machine?.state ?? 'unknown'
    const now = Date.now()
    const mine = await this.generations.setNote(
      NOTE,
      { wakeStartedAt: iso(now), wakeUntil: iso(now + this.wakeMs) },
      { condition: 'attribute_not_exists(wakeUntil) OR wakeUntil < :now', values: { ':now': iso(now) } },
    )
    if (!mine) return 'asked before'
    const { StartInstancesCommand } = await ec2Commands()
    try {
      await this.ec2.send(new StartInstancesCommand({ InstanceIds: [machine.id] }))
      await this.generations.setNote(NOTE, {}, { remove: ['lastError'] })
      this.log.info({ instance: machine.id }, 'the GPU machine was asked to start')
      return 'asked'
    } catch (error) {
      this.log.error({ err: error, instance: machine.id }, 'the GPU machine could not be started')
      const lastError = `${error.name}: ${error.message}`.slice(0, 300)
      await this.generations.setNote(
        NOTE,
        { wakeUntil: iso(now + REFUSED_PAUSE_MS), lastError },
        { remove: ['wakeStartedAt'] },
      )
      return 'refused'
    }
  }

  /** ComfyUI answers again: what this start took is learned, once. */
  async awake() {
    const note = await this.generations.note(NOTE)
    if (!note?.wakeStartedAt) return
    const seconds = Math.round((Date.now() - Date.parse(note.wakeStartedAt)) / 1000)
    const startsSeconds = [...(note.startsSeconds ?? []), seconds].slice(-KEPT_STARTS)
    await this.generations.setNote(
      NOTE,
      { startsSeconds },
      {
        condition: 'wakeStartedAt = :seen',
        values: { ':seen': note.wakeStartedAt },
        remove: ['wakeStartedAt', 'wakeUntil', 'lastError'],
      },
    )
  }

  async #find() {
    const { DescribeInstancesCommand } = await ec2Commands()
    const { Reservations } = await this.ec2.send(
      new DescribeInstancesCommand({
        Filters: [
          { Name: 'tag:Stack', Values: [this.stack] },
          { Name: 'tag:Role', Values: ['ml-server'] },
          { Name: 'instance-state-name', Values: ['pending', 'running', 'stopping', 'stopped'] },
        ],
      }),
    )
    const [one] = (Reservations ?? []).flatMap((reservation) => reservation.Instances ?? [])
    return one ? { id: one.InstanceId, state: one.State.Name, launchedAt: one.LaunchTime?.toISOString() } : null
  }

  async #boot() {
    const { GetParameterCommand } = await import('@aws-sdk/client-ssm')
    const { Parameter } = await this.ssm.send(new GetParameterCommand({ Name: this.bootParameter }))
    return JSON.parse(Parameter.Value)
  }

  /** ComfyUI's version, or null when it doesn't answer. */
  async #probe(kind) {
    try {
      return (await this.comfyUi[kind].stats(PROBE_MS)).system.comfyui_version
    } catch {
      return null
    }
  }
}

// Loaded with the client, when it is first asked: see clients.js.
const ec2Commands = () => import('@aws-sdk/client-ec2')

function stateOf(machine) {
  switch (machine?.state) {
    case 'stopped':
      return 'asleep'
    case 'stopping':
      return 'stopping'
    case 'pending':
    case 'running':
      return 'waking'
    default:
      return 'unreachable'
  }
}

/** Stage or fault of a boot under way; nothing of the boot before, and none of another machine's. */
function toldBy(boot, machine) {
  // The record's times are whole seconds.
  const isBefore = Math.floor(Date.parse(machine.launchedAt) / 1000) * 1000 > Date.parse(boot?.startedAt)
  if (boot?.instanceId !== machine.id || isBefore) return {}
  if (boot.state === 'running' && boot.stage) return { stage: boot.stage }
  return boot.state === 'failed' ? { stage: boot.stage, problem: `its boot failed at ${boot.stage}` } : {}
}

/** 0 for none, and for a launch of long ago: then it is ComfyUI that starts, not the machine. */
function secondsSince(moment) {
  const seconds = moment ? (Date.now() - Date.parse(moment)) / 1000 : 0
  return seconds < LAUNCH_SECONDS ? seconds : 0
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

const iso = (ms) => new Date(ms).toISOString()
