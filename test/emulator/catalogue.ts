/**
 * The images that the emulator starts with: one in every state that a deletion can meet. No image has the id `m-absent01`.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/ajwvynv78 (ImageModel).
 */

export interface Image {
  id: string;
  name: string;
  type: 'Custom' | 'System' | 'Integration' | 'Sharing';
  status: 'Available' | 'Creating' | 'CreateFailed' | 'NotAvailable' | 'Error';
  /** The accounts that the image is shared with. */
  sharedWith: string[];
}

const image = (id: string, name: string, fields: Partial<Image> = {}): Image => ({
  id,
  name,
  type: 'Custom',
  status: 'Available',
  sharedWith: [],
  ...fields,
});

export const catalogue = (): Image[] => [
  image('m-custom01', 'ci-build-1842'),
  image('m-custom02', 'ci-build-1843'),
  image('m-custom03', 'release-2026-11'),
  image('m-custom04', 'ci-build-1846'),
  image('m-failed01', 'ci-build-1844', { status: 'CreateFailed' }),
  image('m-system01', 'CentOS 7.9 x86_64 (64bit)', { type: 'System' }),
  image('m-integr01', 'LAMP on Ubuntu', { type: 'Integration' }),
  image('m-create01', 'ci-build-1845', { status: 'Creating' }),
  image('m-shared01', 'golden-base', { sharedWith: ['7f3a51d0c4a94b5e9d6b2c1e8a0f4d77'] }),
];

/** The image as `GET /v2/image/{id}` describes it. */
export function imageModel({ id, name, type, status }: Image) {
  return {
    id,
    name,
    type,
    status,
    desc: '',
    osType: 'linux',
    osName: 'Ubuntu',
    osVersion: '22.04 LTS amd64 (64bit)',
    osArch: 'x86_64 (64bit)',
    osBuild: '2026081900',
    osLang: 'ENG',
    createTime: '2026-11-02T06:17:03Z',
    encrypted: false,
    package: false,
    minDiskGb: 20,
    diskSize: 40,
    ephemeralSize: 0,
    snapshots: [],
  };
}
