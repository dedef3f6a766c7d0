import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { KINDS } from '../contract.js'
import { loadWorkflows, Workflow } from '../services/workflows.js'

/** Node definitions as ComfyUI gives them (`/object_info`), kept for the nodes that we use. */
const CATALOGUE = JSON.parse(readFileSync(new URL('../../../sandbox/comfyui/nodes.json', import.meta.url), 'utf8'))
const workflows = loadWorkflows()
const VALUES = { prompt: 'a "quoted" {{room}}\n$1', width: 640, height: 512, count: 2, seed: 2 ** 32 - 1, steps: 30, guidance: 6.5 }
const DRAWN = { drawing: 'd.png', sketchStrength: 0.7, sketchEnd: 0.5 }
const STYLED = { style: 'Indochine.safetensors', styleStrength: 0.4 }
const graphs = KINDS.flatMap((kind) =>
  [{}, STYLED].map((style) => ({
    name: `${kind} ${style.style ? 'with' : 'without'} a style`,
    graph: workflows[kind].fill({ ...VALUES, ...style, ...(kind === 'sketch' ? DRAWN : {}) }),
  })),
)

describe('every graph is one that ComfyUI takes', () => {
  for (const { name, graph } of graphs) {
    it(name, () => {
      for (const [id, node] of Object.entries(graph)) {
        const known = CATALOGUE[node.class_type]
        assert.ok(known, `${id}: ${node.class_type} is not in the catalogue`)
        const inputs = { ...known.input.required, ...known.input.optional }
        for (const required of Object.keys(known.input.required)) assert.ok(required in node.inputs, `${id} lacks ${required}`)
        for (const [input, value] of Object.entries(node.inputs)) {
          assert.ok(input in inputs, `${id}: ${node.class_type} has no input ${input}`)
          checkValue(`${id}.${input}`, value, inputs[input], graph)
        }
      }
      assert.ok(Object.values(graph).some((node) => CATALOGUE[node.class_type].output_node), 'there is an output')
    })
  }
})

function checkValue(where, value, [type, rules = {}], graph) {
  if (Array.isArray(value)) {
    const [id, output] = value
    assert.ok(graph[id], `${where} is linked to ${id}, which is not there`)
    assert.equal(CATALOGUE[graph[id].class_type].output[output], type, `${where} gets another type`)
  } else if (Array.isArray(type)) {
    assert.ok(type.includes(value), `${where}: ${value} is not one of ${type}`)
  } else if (type.files) {
    assert.equal(typeof value, 'string', `${where} is a file's name: which ones there are differs from server to server`)
  } else if (type === 'INT' || type === 'FLOAT') {
    assert.equal(typeof value, 'number', where)
    assert.ok(value >= rules.min && value <= rules.max, `${where}: ${value}`)
  } else {
    assert.equal(type, 'STRING', where)
    assert.equal(typeof value, 'string', where)
  }
}

describe('filling in', () => {
  it('puts words in as they are, whatever signs they have', () => {
    const graph = workflows.text.fill(VALUES)
    assert.equal(graph['3'].inputs.text, VALUES.prompt)
  })

  it('leaves the style node out and joins its neighbours when there is no style', () => {
    const graph = workflows.text.fill(VALUES)
    assert.ok(!Object.values(graph).some((node) => node.class_type === 'LoraLoader'))
    assert.deepEqual(graph['6'].inputs.model, ['1', 0])
    assert.deepEqual(graph['3'].inputs.clip, ['1', 1])
  })

  it('gives the style its strength in both places', () => {
    const { inputs } = workflows.sketch.fill({ ...VALUES, ...STYLED, ...DRAWN })['2']
    assert.deepEqual([inputs.lora_name, inputs.strength_model, inputs.strength_clip], ['Indochine.safetensors', 0.4, 0.4])
  })

  it('changes no graph that was given out before', () => {
    workflows.text.fill({ ...VALUES, prompt: 'first' })
    assert.notEqual(workflows.text.graph['3'].inputs.text, 'first')
  })

  it('refuses a value that has no place', () => {
    assert.throws(() => workflows.text.fill({ drawing: 'd.png' }), /no place for drawing/)
  })

  it('refuses a declaration that names what the graph has not', () => {
    const text = JSON.stringify({ 1: { class_type: 'KSampler', inputs: {}, _meta: { title: 'Sampler' } } })
    const slots = { seed: { node: 'Sampler', inputs: ['seed'] } }
    assert.throws(() => new Workflow('odd', text, { slots, optional: {}, models: {}, output: 'Sampler' }), /no input seed/)
    const nowhere = { seed: { node: 'Nowhere', inputs: [] } }
    assert.throws(() => new Workflow('odd', text, { slots: nowhere, optional: {}, models: {}, output: 'Sampler' }), /Nowhere/)
  })

  it('uses the models, sampler and size that the studio asked for', () => {
    assert.deepEqual(workflows.sketch.models, {
      checkpoint: { name: 'interiordesignsuperm_v2.safetensors', folder: 'checkpoints' },
      controlNet: { name: 'control_v11p_sd15_scribble_fp16.safetensors', folder: 'controlnet' },
    })
    const { graph } = workflows.text
    assert.deepEqual([graph['6'].inputs.sampler_name, graph['6'].inputs.scheduler], ['dpmpp_2m', 'karras'])
    assert.deepEqual([graph['5'].inputs.width, graph['5'].inputs.height], [512, 512])
  })
})
