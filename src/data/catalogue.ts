/** One file of a data set as its publisher offers it. */
export interface PublishedFile {
  name: string
  /** The SHA-256 (hexadecimal) of the file as it is downloaded. */
  sha256: string
  /** Its size; a download that goes on is cut off. */
  bytes: number
  /** What serves in its place: these files together, each plain or with `.gz`. */
  unpacked: readonly string[]
}

/** A data set that is known by name. */
export interface KnownDataset {
  /** The addresses that have the files, with trailing slashes; those after the first serve where it does not. */
  urls: readonly string[]
  files: readonly PublishedFile[]
  /** The terms on which it is published, in a few words. */
  licence: string
}

type Checksums = readonly [sha256: string, bytes: number][]

function idx(urls: readonly string[], licence: string, files: Checksums): KnownDataset {
  const names = [
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
  ]
  return {
    urls,
    licence,
    files: files.map(([sha256, bytes], index) => {
      const name = names[index] as string
      return { name: `${name}.gz`, sha256, bytes, unpacked: [name] }
    }),
  }
}

function cifar(name: string, sha256: string, bytes: number, batches: readonly string[]): KnownDataset {
  return {
    urls: ['https://www.cs.toronto.edu/~kriz/'],
    licence: 'no licence is stated; its author asks to cite A. Krizhevsky, Learning Multiple Layers of Features, 2009',
    files: [{ name, sha256, bytes, unpacked: batches }],
  }
}

/**
 * The data sets known by name. The checksums are those of files whose MD5 sums their publishers (CIFAR) and torchvision (MNIST,
 * Fashion-MNIST) list; those of CIFAR and Fashion-MNIST are also listed by TensorFlow Datasets.
 */
export const CATALOGUE: Readonly<Record<string, KnownDataset>> = {
  mnist: idx(
    ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
    'Creative Commons Attribution-Share Alike 3.0 (Y. LeCun, C. Cortes, C. J. C. Burges)',
    [
      ['440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609', 9_912_422],
      ['3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c', 28_881],
      ['8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6', 1_648_877],
      ['f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6', 4_542],
    ],
  ),
  'fashion-mnist': idx(
    [
      'https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/',
      // The publisher's first address has no https.
      'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    ],
    'MIT (Zalando SE)',
    [
      ['3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84', 26_421_880],
      ['a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845', 29_515],
      ['346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073', 4_422_102],
      ['67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5', 5_148],
    ],
  ),
  cifar10: cifar(
    'cifar-10-binary.tar.gz',
    'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
    170_052_171,
    [
      'data_batch_1.bin',
      'data_batch_2.bin',
      'data_batch_3.bin',
      'data_batch_4.bin',
      'data_batch_5.bin',
      'test_batch.bin',
    ],
  ),
  cifar100: cifar(
    'cifar-100-binary.tar.gz',
    '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec',
    168_513_733,
    ['train.bin', 'test.bin'],
  ),
}

/** The names in {@link CATALOGUE}. */
export type DatasetName = 'mnist' | 'fashion-mnist' | 'cifar10' | 'cifar100'

/** Bytes as `11.1 MiB`. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
