declare module '@agnai/sentencepiece-js' {
  export class SentencePieceProcessor {
    load(file: string): Promise<void>;
    encodeIds(text: string): number[];
  }
}
