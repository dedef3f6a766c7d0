/** Names and limits that the Python side must agree on: app/contract.json, read once. */
import { readFileSync } from 'node:fs'

/** @type {{kinds: string[], comfyUiPorts: Record<string, number>, backendPort: number, originSecretHeader: string,
 *  prefixes: Record<string, string>, states: {unfinished: string[], final: string[]}, indexes: Record<string, string>, byQueueAttributes: string[],
 *  limits: Record<string, {default: number, minimum: number, maximum: number, unit: string, told: string}>}} */
export const contract = JSON.parse(readFileSync(new URL('../contract.json', import.meta.url), 'utf8'))

export const KINDS = contract.kinds
export const UNFINISHED = contract.states.unfinished
export const FINAL = contract.states.final
export const STATES = [...UNFINISHED, ...FINAL]
