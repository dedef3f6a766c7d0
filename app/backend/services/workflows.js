/**
 * The ComfyUI graphs, and how a request fills them in: by the titles that `<kind>.slots.json` declares beside the graph.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { KINDS } from '../contract.js'

const FOLDER = new URL('../../workflows/', import.meta.url)

/** Both workflows by kind; throws when a declaration names what its graph doesn't have. */
export function loadWorkflows(folder = FOLDER) {
  return Object.fromEntries(
    KINDS.map((kind) => {
      const text = readFileSync(new URL(`${kind}.json`, folder))
      const declared = JSON.parse(readFileSync(new URL(`${kind}.slots.json`, folder), 'utf8'))
      return [kind, new Workflow(kind, text, declared)]
    }),
  )
}

/** A graph in API format and the places in it that may be filled in. */
export class Workflow {
  constructor(name, text, { slots, optional, models, output }) {
    this.name = name
    this.sha256 = createHash('sha256').update(text).digest('hex')
    this.graph = JSON.parse(text)
    this.slots = slots
    this.optional = optional
    this.ids = titles(name, this.graph)
    const places = [...Object.values(slots), ...Object.values(optional), ...Object.values(models)]
    for (const { node, input, inputs = input ? [input] : [] } of places) {
      const known = this.graph[this.id(node)].inputs
      for (const one of inputs) if (!(one in known)) throw new Error(`workflow ${name}: "${node}" has no input ${one}`)
    }
    this.outputId = this.id(output)
    /** Model files that the graph names, by their role: {name, folder}. */
    this.models = Object.fromEntries(
      Object.entries(models).map(([role, { node, input, folder }]) => [
        role,
        { name: this.graph[this.id(node)].inputs[input], folder },
      ]),
    )
  }

  /** Id of the node with this title. */
  id(title) {
    const id = this.ids.get(title)
    if (!id) throw new Error(`workflow ${this.name} has no node titled "${title}"`)
    return id
  }

  /**
   * The graph for these values. A slot whose value is missing keeps what the graph has; an optional node whose value is
   * missing is left out. Throws for a value that no slot takes.
   * @param {Record<string, string | number | undefined>} values
   */
  fill(values) {
    const graph = structuredClone(this.graph)
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) continue
      const slot = this.slots[name]
      if (!slot) throw new Error(`workflow ${this.name} has no place for ${name}`)
      for (const input of slot.inputs) graph[this.id(slot.node)].inputs[input] = value
    }
    for (const [name, { node, passes }] of Object.entries(this.optional)) {
      if (values[name] === undefined) leaveOut(graph, this.id(node), passes)
    }
    return graph
  }
}

function titles(name, graph) {
  const found = new Map()
  for (const [id, node] of Object.entries(graph)) {
    const title = node._meta?.title
    if (!title || found.has(title)) throw new Error(`workflow ${name}: node ${id} needs a title of its own`)
    found.set(title, id)
  }
  return found
}

/** Take a node out: whoever used its outputs gets what went into the input that `passes` names for that output. */
function leaveOut(graph, id, passes) {
  const { inputs } = graph[id]
  delete graph[id]
  for (const node of Object.values(graph)) {
    for (const [input, link] of Object.entries(node.inputs)) {
      if (Array.isArray(link) && link[0] === id) node.inputs[input] = inputs[passes[link[1]]]
    }
  }
}
