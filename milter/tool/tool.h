/*
 * tool.h - the subcommands of `vidimus`.  Each reads its own arguments (argv[0] is its name), prints, and returns an exit
 * status of sysexits.h.
 */
#ifndef VIDIMUS_TOOL_TOOL_H
#define VIDIMUS_TOOL_TOOL_H

int tool_check(int argc, char **argv);
int tool_config(int argc, char **argv);
int tool_key(int argc, char **argv);
int tool_report(int argc, char **argv);
int tool_stats(int argc, char **argv);

#endif
