/** STS, as far as programs ask it who they are. */

import type { AwsReply, AwsRequest, AwsService } from './aws-service.ts';
import { ACCOUNT, AwsError } from './aws-service.ts';
import { xml } from './aws-errors.ts';

export class StsService implements AwsService {
  readonly name = 'sts';
  readonly protocol = 'query';

  handle(request: AwsRequest): Promise<AwsReply> {
    const action =
      new URLSearchParams(request.body.toString('utf8')).get('Action') ?? request.query.get('Action') ?? '';
    if (action !== 'GetCallerIdentity')
      throw new AwsError('InvalidAction', `The action ${action.slice(0, 60)} is not known here.`);
    const { id } = request.context.principal;
    const text = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::${ACCOUNT}:user/${xml(id)}</Arn><UserId>${xml(id)}</UserId><Account>${ACCOUNT}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>${request.context.requestId}</RequestId></ResponseMetadata></GetCallerIdentityResponse>`;
    return Promise.resolve({ status: 200, headers: { 'content-type': 'text/xml' }, body: text });
  }
}
