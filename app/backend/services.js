/** Everything that the routes and the worker work with, wired once. */
import { KINDS } from './contract.js'
import { ComfyUi } from './services/comfyui.js'
import { Events } from './services/events.js'
import { Generations } from './services/generations.js'
import { Gpu } from './services/gpu.js'
import { Pictures } from './services/pictures.js'
import { presenter, sharedPresenter } from './services/presentation.js'
import { QueueView } from './services/queue-view.js'
import { Queues } from './services/queues.js'
import { Styles } from './services/styles.js'
import { Submissions } from './services/submissions.js'
import { loadWorkflows } from './services/workflows.js'

/** What both processes need. */
export function buildCore(config, clients, log) {
  const comfyUi = Object.fromEntries(KINDS.map((kind) => [kind, new ComfyUi(config.comfyUi[kind])]))
  const generations = new Generations(clients, config)
  const gpu = new Gpu(clients, config, { generations, comfyUi, log })
  return {
    comfyUi,
    generations,
    gpu,
    queues: new Queues(clients, config),
    pictures: new Pictures(clients, config),
    queueView: new QueueView({ generations, gpu }),
  }
}

/** What the server needs besides. */
export function buildServices(config, clients, log) {
  const core = buildCore(config, clients, log)
  const present = presenter({ queueView: core.queueView, imageKey: config.imageKey })
  const styles = new Styles(clients, config, { comfyUi: core.comfyUi, log })
  const workflows = loadWorkflows()
  return {
    ...core,
    present,
    presentShared: sharedPresenter(config),
    styles,
    workflows,
    submissions: new Submissions(config, { ...core, styles, workflows, log }),
    events: new Events({ ...core, present, log }),
  }
}
