/** What a route is: the one description from which it is registered, checked and documented. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Service } from '../service.js';
import type { Job } from '../work.js';

/** A request that has come through all checks. */
export interface Call<Body> {
  body: Body;
  /** Of the path, where it has one. */
  id: string;
  /** Aborts when nobody waits for the answer any more. */
  signal: AbortSignal;
  /** Of a route that answers bit by bit: it ends the job itself. */
  job: Job;
  request: FastifyRequest;
  reply: FastifyReply;
}

/** A route of the API. */
export interface Route<Body = unknown> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:id` where it has one. */
  path: string;
  operation: string;
  summary: string;
  /** Of what comes in; a missing body counts as `{}` where nothing is required. */
  body?: (service: Service) => z.ZodType<Body>;
  status?: 200 | 201 | 204;
  answer?: z.ZodType;
  /** Besides JSON. */
  streams?: boolean;
  /** Statuses of refusals, besides those that every route has. */
  refuses?: readonly number[];
  run(service: Service, call: Call<Body>): unknown;
}

/** Keeps the type of the body together with the function that reads it. */
export const route = <Body>(description: Route<Body>): Route => description as unknown as Route;
