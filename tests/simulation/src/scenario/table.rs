//! The scenarios.

use super::Scenario;

/// All scenarios.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [
        calm(),
        network(),
        processes(),
        disks(),
        clocks(),
        operators(),
        mixed(),
    ]
    .concat()
}

fn calm() -> Vec<Scenario> {
    let calm = Scenario::calm;
    vec![
        calm("calm", "nothing"),
        calm("calm-5", "nothing, five replicas").with(|s| s.replicas = 5),
        calm("calm-bursts", "forty clients at once").with(|s| {
            s.clients.burst = 40;
            s.clients.pause_max = 200;
        }),
        calm("calm-large", "writes that take several blocks").with(|s| {
            s.clients.large_in = 40;
            s.duration = 6_000;
        }),
        calm("calm-one-key", "reads and writes of one register").with(|s| s.clients.keys = 1),
    ]
}

fn network() -> Vec<Scenario> {
    let calm = Scenario::calm;
    vec![
        calm("loss", "one frame in eight gets lost").with(|s| s.network.loss_in = 8),
        calm("loss-heavy", "one frame in three gets lost").with(|s| s.network.loss_in = 3),
        calm("twice", "one frame in three comes again").with(|s| s.network.twice_in = 3),
        calm("reordering", "frames overtake each other").with(|s| s.network.delay_max = 80),
        calm("ancient-frames", "frames come seconds late").with(|s| {
            s.network.ancient_in = 30;
            s.network.partition_in = 200;
        }),
        calm("far-apart", "frames take longer than a heartbeat").with(|s| {
            s.network.delay_max = 60;
            s.network.loss_in = 50;
        }),
        calm("partitions", "some replicas are cut off, and come back")
            .with(|s| s.network.partition_in = 80),
        calm("partitions-5", "some of five replicas are cut off").with(|s| {
            s.replicas = 5;
            s.network.partition_in = 60;
        }),
        calm(
            "one-way",
            "partitions that let frames pass in one direction",
        )
        .with(|s| {
            s.network.partition_in = 60;
            s.network.one_way = true;
        }),
        calm("broken-links", "two replicas do not hear each other")
            .with(|s| s.network.link_in = 60),
        calm(
            "broken-links-5",
            "links between five replicas, in one direction",
        )
        .with(|s| {
            s.replicas = 5;
            s.network.link_in = 30;
            s.network.one_way = true;
        }),
        calm("flapping", "partitions that last for moments").with(|s| s.network.partition_in = 8),
    ]
}

fn processes() -> Vec<Scenario> {
    let calm = Scenario::calm;
    vec![
        calm("alone", "the only replica crashes").with(|s| {
            s.replicas = 1;
            s.processes.crash_in = 400;
        }),
        calm(
            "alone-large",
            "the only replica crashes within large writes",
        )
        .with(|s| {
            s.replicas = 1;
            s.processes.crash_in = 300;
            s.clients.large_in = 30;
            s.duration = 6_000;
        }),
        calm("crashes", "replicas crash at any time").with(|s| s.processes.crash_in = 600),
        calm("crash-loops", "replicas crash as soon as they are up").with(|s| {
            s.processes.crash_in = 40;
            s.processes.down_max = 60;
        }),
        calm("leader-crashes", "whoever leads crashes").with(|s| s.processes.crash_leader_in = 100),
        calm("leader-crashes-5", "whoever leads five replicas crashes").with(|s| {
            s.replicas = 5;
            s.processes.crash_leader_in = 60;
        }),
        calm("blackouts", "all lose power at once").with(|s| s.processes.blackout_in = 400),
        calm("blackouts-bursts", "all lose power, many writes under way").with(|s| {
            s.processes.blackout_in = 300;
            s.clients.burst = 20;
        }),
        calm("killed", "processes are killed").with(|s| s.processes.kill_in = 300),
        calm(
            "killed-blackouts",
            "processes are killed, and then all lose power",
        )
        .with(|s| {
            s.processes.kill_in = 200;
            s.processes.blackout_in = 300;
            s.processes.down_max = 100;
        }),
        calm("killed-alone", "the only replica is killed and loses power").with(|s| {
            s.replicas = 1;
            s.processes.kill_in = 200;
            s.processes.crash_in = 400;
            s.processes.down_max = 60;
        }),
        calm("pauses", "processes stand still and go on").with(|s| s.processes.pause_in = 300),
        calm("pauses-leader", "processes stand still while leaders crash").with(|s| {
            s.processes.pause_in = 200;
            s.processes.crash_leader_in = 300;
        }),
        calm(
            "long-away",
            "replicas are down for long and have to catch up",
        )
        .with(|s| {
            s.processes.crash_in = 800;
            s.processes.down_max = 6_000;
        }),
        calm("two", "two replicas, of which either stops everything").with(|s| {
            s.replicas = 2;
            s.processes.crash_in = 500;
        }),
        calm("four", "four replicas crash").with(|s| {
            s.replicas = 4;
            s.processes.crash_in = 500;
        }),
    ]
}

fn disks() -> Vec<Scenario> {
    let calm = Scenario::calm;
    vec![
        calm("slow-disks", "writes take up to 80 ms").with(|s| s.disk.write_max = 80),
        calm(
            "very-slow-disks",
            "writes take longer than an election, and replicas crash",
        )
        .with(|s| {
            s.disk.write_max = 400;
            s.processes.crash_in = 800;
        }),
        calm("stuck-disks", "some writes take half a second").with(|s| s.disk.stuck_in = 60),
        calm(
            "stuck-disks-crashes",
            "some writes take half a second; crashes",
        )
        .with(|s| {
            s.disk.stuck_in = 60;
            s.processes.crash_in = 500;
        }),
        calm("failed-flushes", "flushes fail, and the process ends").with(|s| s.disk.fail_in = 200),
        calm(
            "failed-flushes-blackouts",
            "flushes fail, and then the power",
        )
        .with(|s| {
            s.disk.fail_in = 200;
            s.processes.blackout_in = 400;
        }),
        calm("full-disks", "disks fill up, and are cleared").with(|s| {
            s.disk.full_in = 200;
            s.clients.burst = 10;
        }),
        calm("full-disks-crashes", "disks fill up while replicas crash").with(|s| {
            s.disk.full_in = 150;
            s.clients.burst = 10;
            s.processes.crash_in = 400;
        }),
        calm("full-alone", "the only replica's disk fills up").with(|s| {
            s.replicas = 1;
            s.disk.full_in = 100;
            s.processes.kill_in = 500;
            s.clients.burst = 10;
        }),
        calm("lost-projections", "a crash takes the projection").with(|s| {
            s.processes.crash_in = 500;
            s.disk.lose_projection = true;
        }),
        calm("old-projections", "a crash leaves an older projection").with(|s| {
            s.processes.crash_in = 300;
            s.disk.old_projection = true;
        }),
    ]
}

fn clocks() -> Vec<Scenario> {
    let calm = Scenario::calm;
    vec![
        calm(
            "slow-clocks",
            "clocks miss every other tick, and replicas crash",
        )
        .with(|s| {
            s.clocks.skip_in = 2;
            s.processes.crash_in = 1_500;
        }),
        calm("fast-clocks", "clocks tick twice now and then").with(|s| {
            s.clocks.fast_in = 2;
            s.network.delay_max = 30;
        }),
        calm("clock-jumps", "the time of day jumps by hours, both ways").with(|s| {
            s.clocks.jump_in = 50;
            s.processes.crash_leader_in = 300;
        }),
        calm("clocks-partitions", "clocks of any speed, and partitions").with(|s| {
            s.clocks.skip_in = 3;
            s.clocks.fast_in = 5;
            s.network.partition_in = 80;
        }),
    ]
}

fn operators() -> Vec<Scenario> {
    let calm = Scenario::calm;
    vec![
        calm("transfers", "leadership is passed on all the time").with(|s| {
            s.operators.transfer_in = 40;
            s.network.loss_in = 40;
        }),
        calm(
            "transfers-crashes",
            "leadership is passed on to replicas that crash",
        )
        .with(|s| {
            s.operators.transfer_in = 40;
            s.processes.crash_in = 300;
        }),
        calm(
            "transfers-thinking",
            "transactions read, and commit when others have led meanwhile",
        )
        .with(|s| {
            s.operators.transfer_in = 20;
            s.clients.adds = 60;
            s.clients.think_max = 2_000;
        }),
        calm("members", "replicas join, become voters, leave").with(|s| {
            s.spares = 5;
            s.operators.change_in = 120;
        }),
        calm("members-joint", "two replicas change at once").with(|s| {
            s.spares = 6;
            s.operators.change_in = 150;
            s.operators.joint = true;
        }),
        calm("members-crashes", "members change while replicas crash").with(|s| {
            s.spares = 5;
            s.operators.change_in = 120;
            s.processes.crash_in = 500;
        }),
        calm(
            "members-partitions",
            "members change while some are cut off",
        )
        .with(|s| {
            s.replicas = 4;
            s.spares = 5;
            s.operators.change_in = 120;
            s.operators.joint = true;
            s.network.partition_in = 100;
        }),
        calm(
            "members-leader",
            "whoever leads has to leave, and gives orders until then",
        )
        .with(|s| {
            s.replicas = 5;
            s.spares = 5;
            s.operators.change_in = 100;
            s.operators.joint = true;
            s.operators.leader_leaves = true;
        }),
        calm("members-alone", "a cluster of one grows").with(|s| {
            s.replicas = 1;
            s.spares = 4;
            s.operators.change_in = 100;
        }),
        calm(
            "members-unreadable",
            "members change while reads of replicas' own logs fail",
        )
        .with(|s| {
            s.spares = 5;
            s.operators.change_in = 60;
            s.operators.transfer_in = 60;
            s.disk.unreadable_in = 6;
        }),
        calm(
            "members-lost-projections",
            "members change, and crashes take projections",
        )
        .with(|s| {
            s.spares = 5;
            s.operators.change_in = 60;
            s.processes.crash_in = 400;
            s.processes.blackout_in = 1_000;
            s.disk.lose_projection = true;
        }),
        calm(
            "wiped",
            "members lose their data directories and come back under their old ids",
        )
        .with(|s| {
            s.spares = 5;
            s.operators.change_in = 60;
            s.operators.wipe_in = 200;
        }),
        calm(
            "wiped-crashes",
            "members lose their data directories while others crash and lead",
        )
        .with(|s| {
            s.replicas = 5;
            s.spares = 5;
            s.operators.change_in = 60;
            s.operators.wipe_in = 200;
            s.operators.transfer_in = 200;
            s.processes.crash_in = 800;
        }),
        calm("members-transfers", "members and leaders change").with(|s| {
            s.spares = 5;
            s.operators.change_in = 100;
            s.operators.transfer_in = 60;
        }),
    ]
}

fn mixed() -> Vec<Scenario> {
    let calm = Scenario::calm;
    let everything = |s: &mut Scenario| {
        s.network.loss_in = 20;
        s.network.twice_in = 30;
        s.network.delay_max = 40;
        s.network.ancient_in = 200;
        s.network.partition_in = 150;
        s.network.one_way = true;
        s.processes.crash_in = 700;
        s.processes.pause_in = 700;
        s.clocks.skip_in = 10;
        s.clocks.jump_in = 300;
        s.operators.transfer_in = 400;
        s.disk.stuck_in = 200;
    };
    vec![
        calm("everything-3", "all of it, three replicas").with(everything),
        calm("everything-5", "all of it, five replicas").with(|s| {
            everything(s);
            s.replicas = 5;
        }),
        calm("everything-members", "all of it, and the members change").with(|s| {
            everything(s);
            s.spares = 5;
            s.operators.change_in = 200;
            s.operators.joint = true;
        }),
        calm("everything-bursts", "all of it, many clients").with(|s| {
            everything(s);
            s.clients.burst = 15;
            s.clients.pause_max = 60;
        }),
        calm(
            "everything-lost-projections",
            "all of it, without projections",
        )
        .with(|s| {
            everything(s);
            s.disk.lose_projection = true;
        }),
    ]
}
