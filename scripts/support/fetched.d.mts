/** The folder of an unpacked package, fetched if it is not here yet. */
export function fetched(name: string): Promise<string>
/** Node's program of a major version for Linux on x64. */
export function nodeOf(major: number): Promise<string>
