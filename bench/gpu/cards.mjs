/** What is published of cards, and of ResNet-50's training on them. */

/**
 * Peak bandwidth, bytes a second, and 16-bit matrix operations a second, dense, as their makers publish them; found by a
 * part of the name that the driver gives.
 */
const cards = [
  { name: 'H200', bandwidth: 4.8e12, operations: 989e12 },
  { name: 'H100 PCIe', bandwidth: 2.0e12, operations: 756e12 },
  { name: 'H100', bandwidth: 3.35e12, operations: 989e12 },
  { name: 'A100-SXM4-40GB', bandwidth: 1.555e12, operations: 312e12 },
  { name: 'A100-PCIE-40GB', bandwidth: 1.555e12, operations: 312e12 },
  { name: 'A100 80GB PCIe', bandwidth: 1.935e12, operations: 312e12 },
  { name: 'A100', bandwidth: 2.039e12, operations: 312e12 },
  { name: 'L40S', bandwidth: 0.864e12, operations: 362e12 },
  { name: 'L4', bandwidth: 0.3e12, operations: 121e12 },
  { name: 'A10G', bandwidth: 0.6e12, operations: 70e12 },
  { name: 'T4', bandwidth: 0.32e12, operations: 65e12 },
  { name: 'RTX 4090', bandwidth: 1.008e12, operations: 165e12 },
  { name: 'RTX 3090', bandwidth: 0.936e12, operations: 71e12 },
];

/** @param {string} device @returns {{ name: string, bandwidth: number, operations: number } | null} null of a card that is not listed */
export function cardOf(device) {
  return cards.find(({ name }) => device.includes(name)) ?? null;
}

/** Images a second in training, of a card, published by others, with what they were taken with. */
const published = [
  { card: 'A100', imagesPerSecond: 2470, by: 'NVIDIA, PyTorch, fp16, batch 256' },
  { card: 'A100', imagesPerSecond: 3411, by: 'NVIDIA, MXNet and DALI, fp16, batch 512' },
  { card: 'H100', imagesPerSecond: 2790, by: 'Lambda, PyTorch, 16 bits' },
];

/** @param {string} device */
export function publishedOf(device) {
  return published.filter(({ card }) => device.includes(card));
}
