/** The records of a zip file: how each begins, and its bytes without names and extra fields. */

export const LOCAL_HEADER = { signature: 0x04034b50, bytes: 30 };
export const CENTRAL_HEADER = { signature: 0x02014b50, bytes: 46 };
export const END = { signature: 0x06054b50, bytes: 22 };
export const END_64 = { signature: 0x06064b50, bytes: 56 };
export const LOCATOR_64 = { signature: 0x07064b50, bytes: 20 };

/** What a 32-bit field says where zip64's own has the value. */
export const SATURATED = 0xffffffff;
