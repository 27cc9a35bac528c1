"""The program that runs inside each host, first of its processes, and does and sees everything there.

Standard library only; it imports nothing of the lab. Its source is sent over the pipe at the start, so that no image
ever runs an old one. It speaks JSON lines over standard input and output and ends when its input ends.

    request    {"id": 7, "do": VERB, ...}
    answer     {"id": 7, "result": {...}}  or  {"id": 7, "error": "words"}
    event      {"event": KIND, ...}        what belongs to a request comes before its answer

    verb       takes                                      answers
    hello                                                 kernel, python, machine, strace, uid
    configure  addresses {address: network}, routes       interfaces [{index, device, network, mac, addresses}]; default
               [{to, via}], forbidden [address]           routes gone, no way to the machine; the tap runs
    drain                                                 from, until (ns), seen, dropped; events `frames` and `sockets`
                                                          before it: the socket table was read after `until`
    call       step, call, pending, timeout               ended (bool); event `call` when it ends
    start      step, argv, trace, files {name: text},     pid; events `output`, `trace`, `exit`; argv's @NAME.py is
               waits                                      that file's path; `waits`: trace what it waits with, too,
                                                          and whom it starts
    join       step, timeout                              ended (bool): a pending call or a program, with all its events
    stop       step, grace, because                       ended: SIGTERM, then SIGKILL after the grace
    kill       step, because                              ended: SIGKILL
    view       step, tools [name]                         views [{command, code, data (base64), time}], the tools run
                                                          side by side; code 127: it is not on this host
    sockets                                               time, tables {"tcp": base64 of sock_diag answers, "udp": …}
    counters                                              time, netstat, snmp, snmp6 (text of /proc/net)
    firewall   argv                                       code, output
    link       network, state                             (addresses and routes are put back after `up`)
    impairable                                            lacks: why links cannot be impaired, or empty; from then on
                                                          interfaces carry no segments that are yet to be cut
    impair     network, direction, orders                 (what is said replaces what was said before; see `fates`)
    repair     network                                    (both directions)
    stay                                                  (it goes on when its input ends, until it is told by a signal)

    event      carries
    call       step, caller, function, arguments, result, error, message, time, ended, local, remote; `ended` is null
               when it was left pending, and the event comes again when it ends
    output     step, stream, time, data (base64)
    trace      step, lines [text]                         strace's, as written
    exit       step, time, code, because
    frames     frames [[time, interface index, outgoing, size, base64 of the captured part]]
    sockets    time, rows, gone [id]                      what changed of the socket table since the last reading, which
                                                          ended then: rows as tables above, gone by their cookies
    fate       time, network, outgoing, number, effects   what became of a packet of an impaired link: lost, overflowed,
               size, data (base64, its beginning)         delayed, duplicated, reordered, or none of these
    note       what, text, time, step                     truncated output, a trace that failed, …

Times are nanoseconds since the epoch; timeouts seconds. Bytes, tuples and socket constants inside of arguments and
results are wrapped: {"bytes": base64}, {"tuple": [...]}, {"constant": "AF_INET"}, {"repeat": [{"bytes": …}, 9]},
{"socket": name}.
"""
