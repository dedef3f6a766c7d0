/** Checks the page's config against config.schema.json: in the browser at start, and by Node.js in Amplify's build. */

/**
 * What is wrong with a config, a line a key; none when it is right. Knows the words that the schema uses, and no others.
 * @param {unknown} config
 * @param {{required: string[], properties: Record<string, {type: string, description: string, pattern?: string}>}} schema
 * @returns {string[]}
 */
export function faults(config, schema) {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return ['config.json: is no JSON object']
  const given = /** @type {Record<string, unknown>} */ (config)
  return [
    ...schema.required.filter((key) => !(key in given)).map((key) => `${key}: missing`),
    ...Object.entries(given).flatMap(([key, value]) => {
      const rule = schema.properties[key]
      if (!rule) return [`${key}: the page doesn't know this key`]
      if (typeof value === rule.type && (!rule.pattern || new RegExp(rule.pattern).test(String(value)))) return []
      return [`${key}: ${JSON.stringify(value)} has not the form needed: ${rule.description}`]
    }),
  ]
}
