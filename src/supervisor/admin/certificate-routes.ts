/** `/certificates` of the admin endpoint: those that come from authorities. */
import type { AcmeKeeper } from '../certificates/acme-keeper.ts';
import { type AdminRoute, failure, success } from './admin-routes.ts';

/** `keeper`: null while it is not there yet. */
export function certificateRoutes(keeper: () => AcmeKeeper | null): AdminRoute[] {
  return [
    {
      path: '/certificates',
      summary:
        'GET: certificates that sluice gets by itself, ?name=: why one has what it has; ' +
        'POST {"name": N, "do": "renew" or "revoke"}',
      keys: ['name', 'do'],
      async get({ query }) {
        const name = query.get('name');
        const keeping = keeper();
        if (name === null) return success({ certificates: keeping?.states ?? [] });
        return success({ name, why: (await keeping?.why(name)) ?? [] });
      },
      async post({ body }) {
        const { name, do: action } = body;
        if (typeof name !== 'string' || (action !== 'renew' && action !== 'revoke')) {
          return failure(400, 'name and do are wanted; do is renew or revoke');
        }
        try {
          const count = action === 'renew' ? keeper()?.renew(name) : await keeper()?.revoke(name);
          if ((count ?? 0) === 0) return failure(404, `${name} has no certificate of an authority`);
          return success({ name, count });
        } catch (error) {
          return failure(502, (error as Error).message);
        }
      },
    },
  ];
}
