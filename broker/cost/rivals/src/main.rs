//! The protocol's workloads in the crates kafka-protocol and kafka-wire, each used as its documentation shows, on the same bytes. Answers to
//! `run <crate>--<workload>` for callgrind; prints nothing.

use std::error::Error;

use barnabas_cost::counted::counted;
use barnabas_cost::frames;
use bytes::{Bytes, BytesMut};

type Outcome = Result<(), Box<dyn Error>>;

/// Reads or writes one message with kafka-protocol.
fn kafka_protocol<M>(bytes: &Bytes, version: i16, encodes: bool) -> Outcome
where
    M: kafka_protocol::protocol::Decodable + kafka_protocol::protocol::Encodable,
{
    let decode = || M::decode(&mut bytes.clone(), version);
    let message = decode()?;
    let encode = || {
        let mut buffer = BytesMut::new();
        message.encode(&mut buffer, version).map(|()| buffer.freeze())
    };
    if encode()? != bytes {
        return Err("kafka-protocol gave other bytes".into());
    }
    if encodes {
        counted(encode)
    } else {
        counted(decode)
    }
    Ok(())
}

/// Reads or writes one message with kafka-wire.
fn kafka_wire<M>(bytes: &Bytes, version: i16, encodes: bool) -> Outcome
where
    M: kafka_wire_core::KafkaDecode + kafka_wire_core::KafkaEncode,
{
    let version = kafka_wire_core::ApiVersion::new(version);
    let decode = || M::decode_from_bytes(bytes.clone(), version, kafka_wire_core::DecodeLimits::default());
    let message = decode()?;
    let encode = || message.encode_to_bytes(version);
    if encode()? != bytes {
        return Err("kafka-wire gave other bytes".into());
    }
    if encodes {
        counted(encode)
    } else {
        counted(decode)
    }
    Ok(())
}

fn run(name: &str) -> Outcome {
    let (rival, workload) = name.split_once("--").ok_or("expected <crate>--<workload>")?;
    let (direction, message) = workload.split_once('-').ok_or("expected <direction>-<message>")?;
    let encodes = direction == "encode";
    let produce = || frames::bytes_of(&frames::produce_request(), frames::PRODUCE_VERSION);
    let fetch = || frames::bytes_of(&frames::fetch_response(), frames::FETCH_VERSION);
    let metadata = || frames::bytes_of(&frames::metadata_response(), frames::METADATA_VERSION);
    match (rival, message.split('-').next().unwrap_or_default()) {
        ("kafka-protocol", "produce") => {
            kafka_protocol::<kafka_protocol::messages::ProduceRequest>(&produce()?, frames::PRODUCE_VERSION, encodes)
        }
        ("kafka-protocol", "fetch") => {
            kafka_protocol::<kafka_protocol::messages::FetchResponse>(&fetch()?, frames::FETCH_VERSION, encodes)
        }
        ("kafka-protocol", "metadata") => kafka_protocol::<kafka_protocol::messages::MetadataResponse>(
            &metadata()?,
            frames::METADATA_VERSION,
            encodes,
        ),
        ("kafka-wire", "produce") => {
            kafka_wire::<kafka_wire::ProduceRequest>(&produce()?, frames::PRODUCE_VERSION, encodes)
        }
        ("kafka-wire", "fetch") => kafka_wire::<kafka_wire::FetchResponse>(&fetch()?, frames::FETCH_VERSION, encodes),
        ("kafka-wire", "metadata") => {
            kafka_wire::<kafka_wire::MetadataResponse>(&metadata()?, frames::METADATA_VERSION, encodes)
        }
        _ => Err(format!("no workload {name}").into()),
    }
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [command, name] if command == "run" => run(name),
        _ => Err("usage: barnabas-cost-rivals run <crate>--<workload>".into()),
    }
}
