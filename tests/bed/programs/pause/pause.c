/* The process that holds a pod's namespaces: it waits, and reaps what other containers leave to it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
  (void)signal;
  _exit(0);
}

static void reap(int signal) {
  (void)signal;
  while (waitpid(-1, NULL, WNOHANG) > 0)
    ;
}

int main(int count, char **arguments) {
  if (count > 1 && (!strcmp(arguments[1], "-v") || !strcmp(arguments[1], "--version"))) {
    puts("pause of the test bed");
    return 0;
  }
  struct sigaction on_end = {.sa_handler = end}, on_child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
  sigaction(SIGINT, &on_end, NULL);
  sigaction(SIGTERM, &on_end, NULL);
  sigaction(SIGCHLD, &on_child, NULL);
  for (;;)
    pause();
}
