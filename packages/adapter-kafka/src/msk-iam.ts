import { MekongError } from '@mekong/core/driver'

interface Signer {
  generateAuthToken(options: { readonly region: string }): Promise<{ readonly token: string }>
}

const PACKAGE = 'aws-msk-iam-sasl-signer-js'

/**
 * Tokens for Amazon MSK, signed anew for each connection with whatever credentials the AWS SDK finds then: a token must not
 * outlive those that signed it.
 */
export function mskIamToken(
  region: string,
  load: () => Promise<Signer> = () => import(PACKAGE) as Promise<Signer>,
): () => Promise<string> {
  return async () => {
    const signer = await load().catch((cause: unknown) => {
      throw new MekongError('INVALID_CONFIGURATION', `kafka: sasl aws-msk-iam needs the package ${PACKAGE}`, { cause })
    })
    return (await signer.generateAuthToken({ region })).token
  }
}
