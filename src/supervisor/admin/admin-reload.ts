/** `/reload` of the admin endpoint: begins one, and tells how it goes. */

import { type Reload, TRIAL_MS_DEFAULT } from '../reload.ts';
import { type AdminRoute, failure, success } from './admin-routes.ts';

/** A trial that is longer is a deployment of its own. */
const TRIAL_MS_MAX = 3_600_000;

export function reloadRoutes(reload: Reload): AdminRoute[] {
  return [
    {
      path: '/reload',
      summary: 'GET: the last reload or the one under way; POST {"trialMs": 5000}: begins one',
      keys: ['trialMs'],
      get: () => success({ reload: reload.status }),
      post({ body }) {
        const { trialMs = TRIAL_MS_DEFAULT } = body;
        if (typeof trialMs !== 'number' || !(trialMs >= 0 && trialMs <= TRIAL_MS_MAX)) {
          return failure(400, `trialMs is a number of milliseconds, at most ${TRIAL_MS_MAX}`);
        }
        if (reload.begin(trialMs) === null) return failure(409, 'a reload is under way');
        return success({ reload: reload.status });
      },
    },
  ];
}
