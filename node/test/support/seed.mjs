/** One tenant with `allocated` of `unit`, and its key. */
export function seed(allocated, unit = 'TOKENS') {
  return {
    tenants: [{ tenant_id: 'acme' }],
    keys: [{ name: 'default', secret: 'cyc_test_acme', tenant_id: 'acme' }],
    budgets: [{ scope: 'tenant:acme', unit, allocated }],
  };
}
