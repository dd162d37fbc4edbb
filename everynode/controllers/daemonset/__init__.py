"""The DaemonSet controller: one pod of each DaemonSet on every node that should have one, and its rolling update.

A pure core decides, a shell carries out:

    observe.py      what is read of DaemonSets, pods, nodes and revisions
    placement.py    one node and the daemon pods on it -> one Verdict, with its reasons
    tally.py        all Verdicts of one DaemonSet as counters and ordered sets; one change costs the same in any fleet
    plan.py         tally + strategy -> the pods to create and to delete next, each with its cause
    revisions.py    the history: what a revision holds, which one is current, what is to be done about the others
    template.py     the pod for one node
    status.py       the DaemonSet's status, read off the tally
    backoff.py      how long a node whose pods keep failing waits
    ledger.py       what is known of one DaemonSet: pods by node, writes not yet seen, timers
    claim.py        adopting and releasing pods and revisions
    history.py      carries out what revisions.py decides
    books.py        what the shell holds of one DaemonSet
    shell.py        DaemonSetController: events in, actions out
"""
