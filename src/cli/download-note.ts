import type { DownloadProgress } from '../data/download.js'
import type { Io } from './io.js'

/** Notes the progress of downloads on stderr, a line a file and then one every few megabytes. */
export function downloadNote(io: Io): (progress: DownloadProgress) => void {
  const step = 8 * 2 ** 20
  let file = ''
  let next = 0
  return (progress) => {
    if (progress.file !== file) {
      file = progress.file
      next = 0
    }
    if (progress.received < next) return
    next = progress.received + step
    const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
    io.note(
      `downloading ${file}: ${mebibytes(progress.received)}${progress.total ? ` of ${mebibytes(progress.total)}` : ''} MiB`,
    )
  }
}
