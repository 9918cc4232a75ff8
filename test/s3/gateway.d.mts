/** A running versitygw with one bucket, `models`. */
export interface Gateway {
  readonly endpoint: string
  /** The directory of the bucket: an object is a file in it. */
  readonly bucket: string
  /** For clients. */
  readonly env: Readonly<Record<string, string>>
  readonly pid: number
  readonly stop: () => void
}

export declare const CREDENTIALS: { readonly accessKeyId: string; readonly secretAccessKey: string }

export declare function startGateway(parent?: string): Promise<Gateway>
