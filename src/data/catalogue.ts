/** One file of a data set as its publisher offers it. */
export interface PublishedFile {
  name: string
  /** The published MD5 (hexadecimal) of the file as it is downloaded. */
  md5: string
  /** Its size in bytes is known to stay below this; a download that goes on is cut off. */
  largest: number
  /** What serves in its place: these files together, each plain or with `.gz`. */
  unpacked: readonly string[]
}

/** A data set that is known by name. */
export interface KnownDataset {
  /** What a download needs: the publisher's address (with a trailing slash) and the files there. */
  url: string
  files: readonly PublishedFile[]
  /** The terms on which it is published, in a few words. */
  licence: string
  /** What is downloaded, about. */
  mebibytes: number
}

const MEBIBYTE = 2 ** 20

function idx(
  url: string,
  md5s: readonly [string, string, string, string],
  about: Pick<KnownDataset, 'licence' | 'mebibytes'>,
): KnownDataset {
  const names = [
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
  ]
  return {
    url,
    ...about,
    files: names.map((name, index) => ({
      name: `${name}.gz`,
      md5: md5s[index] as string,
      largest: 64 * MEBIBYTE,
      unpacked: [name],
    })),
  }
}

function cifar(archive: string, md5: string, batches: readonly string[]): KnownDataset {
  return {
    url: 'https://www.cs.toronto.edu/~kriz/',
    licence: 'no licence is stated; its authors ask to cite A. Krizhevsky, 2009',
    mebibytes: 162,
    files: [{ name: archive, md5, largest: 256 * MEBIBYTE, unpacked: batches }],
  }
}

/** The data sets known by name, with the checksums that their publishers (CIFAR) and torchvision (MNIST, Fashion-MNIST) list. */
export const CATALOGUE: Readonly<Record<string, KnownDataset>> = {
  mnist: idx(
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    [
      'f68b3c2dcbeaaa9fbdd348bbdeb94873',
      'd53e105ee54ea40749a09fcbcd1e9432',
      '9fb629c4189551a2d022fa330f9573f3',
      'ec29112dd5afa0611ce80d1b7f02629c',
    ],
    { licence: 'Creative Commons Attribution-Share Alike 3.0 (Y. LeCun, C. Cortes, C. J. C. Burges)', mebibytes: 11 },
  ),
  'fashion-mnist': idx(
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    [
      '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
      '25c81989df183df01b3e8a0aad5dffbe',
      'bef4ecab320f06d8554ea6380940ec79',
      'bb300cfdad3c16e7a12a480ee83cd310',
    ],
    { licence: 'MIT (Zalando SE)', mebibytes: 30 },
  ),
  cifar10: cifar('cifar-10-binary.tar.gz', 'c32a1d4ab5d03f1284b67883e8d87530', [
    'data_batch_1.bin',
    'data_batch_2.bin',
    'data_batch_3.bin',
    'data_batch_4.bin',
    'data_batch_5.bin',
    'test_batch.bin',
  ]),
  cifar100: cifar('cifar-100-binary.tar.gz', '03b5dce01913d631647c71ecec9e9cb8', ['train.bin', 'test.bin']),
}

/** The names in {@link CATALOGUE}. */
export type DatasetName = 'mnist' | 'fashion-mnist' | 'cifar10' | 'cifar100'
