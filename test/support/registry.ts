import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'

/** A registry on the loopback interface that holds some tarballs and knows of nothing else. */
export interface Registry {
  url: string
  /** Paths that were asked for and are not there. */
  missed: string[]
  close(): void
}

/**
 * Serves packed packages as npm's registry does: a document for each name, and the tarballs. It forwards nothing, so whatever
 * installs from it installs these packages alone. (verdaccio does this too, with three hundred packages of its own.)
 */
export async function serveRegistry(tarballs: readonly string[]): Promise<Registry> {
  const documents = new Map<string, object>()
  const files = new Map<string, Buffer>()
  const missed: string[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    const document = documents.get(path.slice(1))
    const content = document ? JSON.stringify(document) : files.get(path)
    if (content === undefined) missed.push(path)
    response.writeHead(content === undefined ? 404 : 200, {
      'content-type': document ? 'application/json' : 'application/octet-stream',
    })
    response.end(content ?? '{"error":"not found"}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  for (const tarball of tarballs) {
    const content = readFileSync(tarball)
    const manifest = JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }))
    const path = `/-/${basename(tarball)}`
    files.set(path, content)
    const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`
    const dist = { tarball: new URL(path, url).href, integrity }
    documents.set(manifest.name, {
      name: manifest.name,
      'dist-tags': { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } },
      time: { [manifest.version]: '2020-01-01T00:00:00.000Z' },
    })
  }
  return { url, missed, close: () => server.close() }
}
