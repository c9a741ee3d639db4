"""Code that runs inside an execution environment, shown there as the package `undercast_inside` in
/var/rapid.

It runs on the function's interpreter (Python 3.8 and newer), not on the server's, and may import nothing but
the standard library, awslambdaric and its own neighbours (by relative import).

    launch.py     builds the base root of a runtime and turns into its zygote
    zygote.py     the process that has imported everything and forks environments
    init.py       process 1 of an environment: starts the runtime and extensions, reaps, reports exits
    snapshot.py   environments forked from a function that has been initialised (SnapStart)
    kernel.py     the system calls these need, through libc
    rehearsal.py  the first moments of a function, gone through before there is one
    bootstrap.py  the runtime client of forked environments:
                  preload() is called once in the zygote, single-threaded, before any fork;
                  run(channel) is called in the environment's main process, with the function's environment
                  variables set, the function's user, /var/task as working directory, standard input empty and
                  standard output and error on the log pipe. The process exits when it returns.
"""
