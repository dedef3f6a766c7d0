/** How one draws: kept with the drawing, but not undone with it. */
import { GRID, type Grid } from './perspective'

export const TOOLS = ['pen', 'eraser', 'line', 'rectangle'] as const
export type Tool = (typeof TOOLS)[number]
/** Paper units: the shorter side of the paper has 512. */
export const WIDTHS = { fine: 2, medium: 4, bold: 8 } as const
export const RUBBERS = { fine: 6, medium: 14, bold: 34 } as const
export type Thickness = keyof typeof WIDTHS

export interface Settings {
  tool: Tool
  thickness: Thickness
  rubber: Thickness
  /** The rubber takes whole strokes. */
  whole: boolean
  smooth: boolean
  /** Of the photograph beneath. */
  opacity: number
  grid: Grid
}

export const SETTINGS: Settings = { tool: 'pen', thickness: 'medium', rubber: 'medium', whole: false, smooth: true, opacity: 0.35, grid: GRID }

/** What was kept, as far as it is still of the same kind. */
export function readSettings(value: unknown): Settings {
  return { ...alike(SETTINGS, value), grid: alike(GRID, (value as Partial<Settings> | undefined)?.grid) }
}

function alike<T extends object>(standard: T, value: unknown): T {
  const kept = (value ?? {}) as Record<string, unknown>
  const fits = (key: string, one: unknown): boolean =>
    typeof one === typeof kept[key] && (CHOICES[key]?.includes(kept[key]) ?? true) && (typeof one !== 'number' || Number.isFinite(kept[key]))
  return Object.fromEntries(Object.entries(standard).map(([key, one]) => [key, fits(key, one) ? kept[key] : one])) as T
}

const CHOICES: Record<string, readonly unknown[]> = { tool: TOOLS, thickness: Object.keys(WIDTHS), rubber: Object.keys(RUBBERS), points: [1, 2] }
