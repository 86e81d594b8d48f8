/*-------------------------------------------------------------------------
 *
 * mixing.h
 *	  Refusing ~>, & and | of flows side by side without parentheses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_MIXING_H
#define JDG_FLOW_GRAPH_MIXING_H

/* from _PG_init */
extern void jdg_flow_mixing_init(void);

#endif							/* JDG_FLOW_GRAPH_MIXING_H */
