/**
 * The one place that loads fastify. The build puts fastify and all that it needs into this module's file, so that
 * installing the package does not depend on which versions of fastify's own dependencies a package manager picks: the
 * newest of them want a newer Node than this package does.
 */
export { fastify } from 'fastify';
