/** What `npm run bench:gpu` can measure: one row of this table, one row of its page. */

/**
 * @typedef {object} Kind
 * @property {string} name as --rows takes it
 * @property {string} what as the page has it
 * @property {{ more?: object, imageChannels?: 3, search?: true }} [ours] how this package is run
 * @property {readonly string[]} [theirs] what torchvision's script is given
 */

/** @type {readonly Kind[]} */
export const kinds = [
  { name: 'ours', what: 'resnet-torch', ours: {} },
  { name: 'searched', what: "resnet-torch, cuDNN's search", ours: { search: true } },
  { name: 'captured', what: 'resnet-torch, captured step', ours: { more: { cudaGraph: true } } },
  { name: 'three-channels', what: 'resnet-torch, 3 channels in the stem, not 4', ours: { imageChannels: 3 } },
  { name: 'loader', what: 'torchvision, its own loader', theirs: [] },
  { name: 'resident', what: 'torchvision, no loading', theirs: ['--resident'] },
  { name: 'compiled', what: 'torchvision, no loading, torch.compile', theirs: ['--resident', '--compile'] },
];

/** @param {readonly string[]} names @returns {readonly Kind[]} in the order of the names @throws {RangeError} for one that is not known */
export function kindsOf(names) {
  return names.map((name) => {
    const kind = kinds.find((candidate) => candidate.name === name);
    if (kind !== undefined) return kind;
    throw new RangeError(`--rows takes ${kinds.map((known) => known.name).join(', ')}, not ${JSON.stringify(name)}.`);
  });
}
