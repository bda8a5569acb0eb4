import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

public class Golden {
    static byte[] b(String s) { return s.getBytes(StandardCharsets.UTF_8); }
    static void write(String name, MemoryRecords r) throws Exception {
        ByteBuffer d = r.buffer().duplicate(); byte[] x = new byte[d.remaining()]; d.get(x);
        Files.write(Path.of("out", name + ".batch"), x);
    }
    static SimpleRecord[] few() {
        long t = 1700000000000L;
        return new SimpleRecord[] {
            new SimpleRecord(t, b("key-0"), b("value-0"), new Header[0]),
            new SimpleRecord(t + 5, null, b("no key"), new Header[] { new RecordHeader("a", b("1")), new RecordHeader("a", b("2")), new RecordHeader("é", (byte[]) null) }),
            new SimpleRecord(t - 3, b("tombstone"), null, new Header[0]),
            new SimpleRecord(t + 5, b(""), b(""), new Header[] { new RecordHeader("", b("")) }),
        };
    }
    static SimpleRecord[] many() {
        SimpleRecord[] r = new SimpleRecord[1000];
        for (int i = 0; i < r.length; i++) r[i] = new SimpleRecord(1700000000000L + i, b("key-" + i), b("value of record number " + i + " ".repeat(i % 300)));
        return r;
    }
    public static void main(String[] a) throws Exception {
        String[] names = { "none", "gzip", "snappy", "lz4", "zstd" };
        for (String n : names) {
            Compression c = Compression.of(n).build();
            write("few-" + n, MemoryRecords.withIdempotentRecords(RecordBatch.MAGIC_VALUE_V2, 0L, c, 4711L, (short) 3, 17, 9, few()));
            if (!n.equals("none")) write("many-" + n, MemoryRecords.withRecords(c, many()));
        }
        write("transactional", MemoryRecords.withTransactionalRecords(100L, Compression.NONE, 4711L, (short) 3, 17, 9, few()));
        write("log-append-time", MemoryRecords.withRecords(RecordBatch.MAGIC_VALUE_V2, 100L, Compression.NONE, TimestampType.LOG_APPEND_TIME, few()));
        write("commit", MemoryRecords.withEndTransactionMarker(200L, 1700000000000L, 9, 4711L, (short) 3, new EndTransactionMarker(ControlRecordType.COMMIT, 21)));
        write("abort", MemoryRecords.withEndTransactionMarker(201L, 1700000000000L, 9, 4711L, (short) 3, new EndTransactionMarker(ControlRecordType.ABORT, 22)));
        Uuid dir = new Uuid(0x0123456789abcdefL, 0xfedcba9876543210L);
        for (short v = 0; v < 2; v++) {
            LeaderChangeMessage m = new LeaderChangeMessage().setVersion(v).setLeaderId(1);
            LeaderChangeMessage.Voter x = new LeaderChangeMessage.Voter().setVoterId(1);
            LeaderChangeMessage.Voter y = new LeaderChangeMessage.Voter().setVoterId(2);
            if (v == 1) { x.setVoterDirectoryId(dir); y.setVoterDirectoryId(dir); }
            m.setVoters(List.of(x, y)).setGrantingVoters(List.of(x.duplicate()));
            MemoryRecordsBuilder mb = new MemoryRecordsBuilder(ByteBuffer.allocate(1024), RecordBatch.MAGIC_VALUE_V2, Compression.NONE, TimestampType.CREATE_TIME, 300L, 1700000000000L, -1L, (short) -1, -1, false, true, 9, 1024);
            mb.appendControlRecord(1700000000000L, ControlRecordType.LEADER_CHANGE, org.apache.kafka.common.protocol.MessageUtil.toByteBufferAccessor(m, v).buffer());
            write("leader-change-v" + v, mb.build());
        }
        write("snapshot-header", MemoryRecords.withSnapshotHeaderRecord(0L, 1700000000000L, 9, ByteBuffer.allocate(1024), new SnapshotHeaderRecord().setVersion((short) 0).setLastContainedLogTimestamp(1699999999999L)));
        write("snapshot-footer", MemoryRecords.withSnapshotFooterRecord(7L, 1700000000000L, 9, ByteBuffer.allocate(1024), new SnapshotFooterRecord().setVersion((short) 0)));
        write("kraft-version", MemoryRecords.withKRaftVersionRecord(1L, 1700000000000L, 9, ByteBuffer.allocate(1024), new KRaftVersionRecord().setVersion((short) 0).setKRaftVersion((short) 1)));
        VotersRecord.EndpointCollection ends = new VotersRecord.EndpointCollection();
        ends.add(new VotersRecord.Endpoint().setName("CONTROLLER").setHost("localhost").setPort(49093));
        write("voters", MemoryRecords.withVotersRecord(2L, 1700000000000L, 9, ByteBuffer.allocate(1024), new VotersRecord().setVersion((short) 0).setVoters(List.of(
            new VotersRecord.Voter().setVoterId(1).setVoterDirectoryId(dir).setEndpoints(ends).setKRaftVersionFeature(new VotersRecord.KRaftVersionFeature().setMinSupportedVersion((short) 0).setMaxSupportedVersion((short) 1))))));
    }
}
