/*
 * The program: `satori server`, `satori sql`, `satori check`, `satori salvage`,
 * `satori drive`; and libsatori
 * (include/satori.h, server_api*.c), which `satori sql` is built on.
 *
 * Each command takes the arguments behind its name and returns the exit status: 0 done, 1 failed
 * (one line on standard error says what and what to do), 2 the command line is wrong.
 */
#ifndef SERVER_H
#define SERVER_H

int server_main(int argc, char **argv);
int shell_main(int argc, char **argv);
int check_main(int argc, char **argv);
int salvage_main(int argc, char **argv);
int drive_main(int argc, char **argv);

#endif
