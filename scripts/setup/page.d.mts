/** Writes `dist/page.html`. */
export function buildPage(): Promise<void>
