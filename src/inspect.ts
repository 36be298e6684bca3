/** The name of the method by which `console.log` of Node, Deno and Bun asks an object what to print. */
export const inspectCustom = Symbol.for('nodejs.util.inspect.custom')
