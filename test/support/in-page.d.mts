export function poorContrasts(): string[]
export function unnamed(): string[]
export function width(): number
export function runsScripts(): boolean
