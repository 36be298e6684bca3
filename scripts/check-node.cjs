// Runs before any other script, and in syntax that every Node understands, so that an old one says what is wrong with it.
var needed = [20, 17]
var version = process.versions.node
var found = version.split('.').map(Number)
var problem = 'noprop needs Node ' + needed.join('.') + ' or newer (this is Node ' + version + '): '
if (found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])) {
  console.error(problem + 'install one from https://nodejs.org and run the command again.')
  process.exit(1)
}
