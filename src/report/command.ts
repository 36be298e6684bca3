/** A command line as a shell reads it. */
export function commandOf(args: readonly string[]): string {
  const quoted = args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`))
  return ['noprop', ...quoted].join(' ')
}
