// The administrator's secret of all servers here.

export const TOKEN = 'a secret of sixteen and more';
