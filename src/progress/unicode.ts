/** Whether the locale can show more than ASCII; one that is not set is taken to be able to. */
export function hasUnicode(env: NodeJS.ProcessEnv = process.env): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG
  return !locale || process.platform === 'win32' || /utf-?8/i.test(locale)
}
