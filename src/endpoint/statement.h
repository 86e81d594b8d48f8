/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  Statements on endpoints, seen by the hook on utility statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_STATEMENT_H
#define JDG_ENDPOINT_STATEMENT_H

#include "nodes/nodes.h"

/*
 * Before the statement: raises VALIDATION_ERROR for a server of a type that
 * does not exist, which the validator does not see.
 */
extern void jdg_endpoint_before_statement(Node *stmt);

/*
 * After it has succeeded: a WARNING for each secret whose file cannot be used.
 * The validator must not look at files.
 */
extern void jdg_endpoint_after_statement(Node *stmt);

#endif							/* JDG_ENDPOINT_STATEMENT_H */
