"""The end-to-end test: clusters that kspot builds, on machines that boot.

* `needs`: what this machine must have for it, and what is tested. `bed`: the bed, up for as long as the test runs.
* `steps`: a test is a list of steps with names; how they are walked and told. `evidence`: what is shown when one fails.
* `site`: what every step has: operators, AWS, the machines, the numbers that are measured.
* `one` and `three`: the steps on a cluster of one and one machine, and on one of three and two. `bad_luck`: those in which
  something is wrong that kspot must name.
"""
