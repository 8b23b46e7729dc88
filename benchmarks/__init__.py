"""graydns beside other servers: CPU time per query, answers lost, memory (README.md says how it is measured).

::

    cases       what is compared: groups of subjects, each a server and the questions it gets
      questions     wire files for dnsperf and samples with their right answers
      servers/      one module a server: its configuration, how it is started
    measure     one group: start, check samples, drive, read CPU, check again; medians over interleaved rounds
      load          dnsperf          oneshot   one query per connection
    memory      resident memory with the demo, bytes per cached answer
    report      the tables
"""
