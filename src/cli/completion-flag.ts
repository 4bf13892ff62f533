/** What a shell asks with, before the words of the line: the script of `resnet-torch completion` does. */
export const COMPLETION_FLAG = '--get-yargs-completions';
