/** `/reload` of the admin endpoint: begins one, and tells how it goes. */

import { CANARY_MS_DEFAULT, type Reload } from '../reload.ts';
import { type AdminRoute, failure, success } from './admin-routes.ts';

/** A trial that is longer is a deployment of its own. */
const CANARY_MS_MAX = 3_600_000;

export function reloadRoutes(reload: Reload): AdminRoute[] {
  return [
    {
      path: '/reload',
      summary: 'GET: the last reload or the one under way; POST {"canaryMs": 5000}: begins one',
      keys: ['canaryMs'],
      get: () => success({ reload: reload.status }),
      post({ body }) {
        const { canaryMs = CANARY_MS_DEFAULT } = body;
        if (typeof canaryMs !== 'number' || !(canaryMs >= 0 && canaryMs <= CANARY_MS_MAX)) {
          return failure(400, `canaryMs is a number of milliseconds, at most ${CANARY_MS_MAX}`);
        }
        if (reload.begin(canaryMs) === null) return failure(409, 'a reload is under way');
        return success({ reload: reload.status });
      },
    },
  ];
}
